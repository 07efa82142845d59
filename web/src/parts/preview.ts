/** A message in one line: for the list of chats, answers, and notifications. */
import type { Message } from '../local/types'
import { t } from '../strings/strings.svelte'
import { noticeText } from './notices'
import { ABSENCES, absenceOf } from './states'
import { plainText } from './styling'

/** Characters that are looked at: more than fit into a line. */
const LONGEST = 400

/** A text in one line, without the marks of its styles. */
export function oneLine(text: string, unstyled = false): string {
  const start = text.slice(0, LONGEST)
  return (unstyled ? start : plainText(start)).replace(/\s+/g, ' ').slice(0, 200)
}

export function preview(message: Message): string {
  const absent = absenceOf(message)
  if (absent) return t(ABSENCES[absent].short)
  return message.kind === 'notice' ? noticeText(message.text) : oneLine(message.text, message.unstyled)
}
