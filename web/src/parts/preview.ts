/** A message in one line: for the list of chats, answers, and notifications. */
import type { Message } from '../local/types'
import { t } from '../strings/strings.svelte'
import { noticeText } from './notices'

export function preview(message: Message): string {
  switch (message.kind) {
    case 'text':
      return message.text.replace(/\s+/g, ' ').slice(0, 200)
    case 'deleted':
      return t(message.mine ? 'message.deleted-by-me' : 'message.deleted')
    case 'unreadable':
      return t(message.asked ? 'message.unreadable.short' : 'message.unreadable')
    case 'notice':
      return noticeText(message.text)
  }
}
