/** A message in one line, for the list of chats, replies, and notifications. */
import { cardOf } from '../local/cards'
import { beginning } from '../local/length'
import type { MediaKind } from '../local/media'
import type { Message } from '../local/types'
import { t } from '../strings/strings.svelte'
import { callText } from './call-entries'
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

/** A sign for each kind, where there are only texts, as in notifications. */
const SIGNS: Record<MediaKind, string> = {
  ...{ picture: '📷', video: '🎥', voice: '🎤', audio: '🎵', file: '📄', sticker: '💟' },
  ...{ contact: '👤', location: '📍' }
}

/** What a message carries, in words: its caption, the name of a document, or the kind. */
export function mediaWords({ text, unstyled, media }: Message): string {
  if (!media) return ''
  if (media.once) return t('media.once')
  const said = oneLine(text, unstyled)
  if (said) return said
  if (media.kind === 'file' && media.name) return media.name
  if (media.kind === 'contact' && media.card) return cardOf(media.card).name || t('media.contact')
  return t(`media.${media.kind}`)
}

export function preview(message: Message): string {
  const absent = absenceOf(message)
  if (absent) return t(ABSENCES[absent].short)
  // the text has the answers, too, for other apps
  if (message.poll) return oneLine(message.poll.question, true)
  if (message.kind === 'text' && message.media) return `${SIGNS[message.media.kind]} ${mediaWords(message)}`
  if (message.call) return callText(message, message.call)
  return message.kind === 'notice' ? noticeText(message) : oneLine(message.text, message.unstyled)
}
