/**
 * What messages say about media of other messages, within one transaction: captions for other apps, which are left out
 * here, and notes between Kith's apps (docs/media.md).
 */
import { fileUrl, movedTo } from '../local/media'
import type { Extra } from '../local/mentions'
import type { Address, Message } from '../local/types'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'

export interface AsideEvents {
  /** As in `IncomingEvents`. */
  reupload(from: Address, id: string, url: string): void
}

/** Whether the message is nothing to show. Only what a trusted device has encrypted counts. */
export async function takeAside(
  work: Work,
  me: Address,
  incoming: ReceivedMessage,
  { caption, note }: Extra,
  events: AsideEvents
): Promise<boolean> {
  const { chat, from } = incoming
  if (caption !== undefined) {
    // Without the file, at least its caption is shown
    return (await messagesWith(work, caption)).some(
      (one) => one.chat === chat && one.from === from && !!one.media
    )
  }
  if (!note) return false
  if ('heard' in note) {
    for (const one of await messagesWith(work, note.heard))
      if (one.chat === chat && (one.mine || incoming.mine)) opened(work, one)
  } else if ('reupload' in note) {
    events.reupload(from, note.reupload.id, note.reupload.url)
  } else {
    const { id, url, at } = note.reuploaded
    for (const one of await messagesWith(work, id)) {
      // Who has sent the file, from whatever chat they answer; or another device of the user
      if (!one.media || fileUrl(one.media) !== url || (one.from !== from && from !== me)) continue
      work.setMessage({ ...one, media: movedTo(one.media, at) })
    }
  }
  return true
}

/** A voice message was listened to, or what can be viewed once was viewed. */
function opened(work: Work, message: Message): void {
  const { media } = message
  if (media && !media.opened && (media.kind === 'voice' || media.once))
    work.setMessage({ ...message, media: { ...media, opened: true } })
}

async function messagesWith(work: Work, id: string): Promise<Message[]> {
  await work.flush()
  const found = await work.db.messages.where('id').equals(id).toArray()
  const all = await Promise.all(found.map(({ key }) => work.message(key)))
  return all.filter((one) => one !== undefined)
}
