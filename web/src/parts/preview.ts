/** A message in one line, for the list of chats, replies, and notifications. */
import { beginning } from '../local/length'
import type { Message } from '../local/types'
import { t } from '../strings/strings.svelte'
import { noticeText } from './notices'
import { ABSENCES, absenceOf } from './states'
import { plainText } from './styling'

/** How many characters are examined; more than fit into a line. */
const LONGEST = 400
const LINE = 200

/** A text in one line, without style marks. */
export function oneLine(text: string, unstyled = false): string {
  const start = beginning(text, LONGEST)
  return beginning((unstyled ? start : plainText(start)).replace(/\s+/g, ' '), LINE)
}

export function preview(message: Message): string {
  const absent = absenceOf(message)
  if (absent) return t(ABSENCES[absent].short)
  // the text has the answers, too, for other apps
  if (message.poll) return oneLine(message.poll.question, true)
  return message.kind === 'notice' ? noticeText(message) : oneLine(message.text, message.unstyled)
}
