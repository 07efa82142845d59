/** Actions of the user on existing messages. */
import { abilitiesOf } from '../local/conversation'
import { findLast } from '../local/chats'
import { forget } from '../local/deletion'
import { split, STANZA_BYTES, textBytes } from '../local/length'
import type { Media } from '../local/media'
import { isWaiting } from '../local/order'
import { emojisIn } from '../local/reactions'
import { neverLeft, takeBack } from '../local/unsent'
import type { Address, Message, SentChange } from '../local/types'
import type { SendOptions } from './app'
import { requeue, requeueChange } from './failed'
import { sendClose, sendPin, sendReaction, sendRetraction, sendVote } from './message-changes'
import type { Queueing } from './queueing'

/** A value that is no chat's draft, so that no draft is removed. */
const NO_DRAFT = '\0'

export class MessageActions {
  constructor(
    private readonly on: Queueing,
    private readonly send: (chat: Address, text: string, options: SendOptions) => Promise<void>
  ) {}

  async react(key: string, chosen: string[]): Promise<void> {
    const emojis = emojisIn(chosen)
    await this.on.about(key, async (message, work) => {
      const taken = message.unsent?.reaction && !emojis.length
      if (taken) await takeBack(work, this.on.me, key, 'reaction')
      const mine = taken ? (await work.message(key))?.reactions[this.on.me] : undefined
      // What the others never got need not be removed there
      if (!taken || mine?.length) await sendReaction(this.on, work, message, emojis)
    })
  }

  async deleteForEveryone(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (!message.mine) return
      const waiting = await this.on.db.outgoing.where('id').equals(message.id).toArray()
      if (neverLeft(message) || waiting.some(({ to, made }) => to === message.chat && !made)) {
        // The message has not left this device, so nobody has to be told
        await this.on.unqueue(message)
        await forget(work, [key])
        return
      }
      await sendRetraction(this.on, work, message)
    })
  }

  async deleteForMe(keys: string[]): Promise<void> {
    await this.on.write(async (work) => {
      for (const message of await this.on.db.messages.bulkGet(keys)) {
        if (message?.mine) await this.on.unqueue(message)
      }
      await forget(work, keys)
    })
  }

  async forward(keys: string[], chats: Address[]): Promise<void> {
    const messages = await this.on.db.messages.bulkGet(keys)
    const most = textBytes(await this.on.db.fact<number>(STANZA_BYTES))
    const albums = new Map<string, string>()
    const parts = messages
      .filter((message): message is Message => message?.kind === 'text' && !message.media?.once)
      // messages from other apps may be longer than ours may be
      .flatMap((message) => {
        const [text = '', ...rest] = message.text ? split(message.text, most) : ['']
        const options = forwarding(message)
        const { media } = message
        const file = media && {
          media: forwarded(media, albums),
          ...(carriesFile(media) && { claim: true as const })
        }
        return [{ text, options: { ...options, ...file } }, ...rest.map((text) => ({ text, options }))]
      })
    await Promise.all(
      chats.flatMap((chat) => parts.map(({ text, options }) => this.send(chat, text, options)))
    )
  }

  async retry(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (!message.mine || message.progress !== 'failed') return
      await requeue(work, message, this.on.now())
      await findLast(work, message.chat)
    })
  }

  /** Sends a change of a message again that was not sent. */
  async retryChange(key: string, kind: SentChange): Promise<void> {
    await this.on.write((work) => requeueChange(work, this.on.me, key, kind, this.on.now()))
  }

  /** Takes back a change of a message that was not sent. */
  async undoChange(key: string, kind: SentChange): Promise<void> {
    await this.on.write(async (work) => {
      await takeBack(work, this.on.me, key, kind)
    })
  }

  async vote(key: string, chosen: string[]): Promise<void> {
    await this.on.about(key, async (message, work) => {
      const { poll } = message
      if (!poll || message.closed) return
      const options = poll.options
        .filter(({ id }) => chosen.includes(id))
        .slice(0, poll.several ? undefined : 1)
      await sendVote(this.on, work, message, options)
    })
  }

  async closePoll(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (message.mine && message.poll && !message.closed) await sendClose(this.on, work, message)
    })
  }

  async star(key: string, on: boolean): Promise<void> {
    await this.on.db.messages.update(key, { starred: on ? 1 : 0 })
  }

  /** Pins a message in the chat, for both sides; 0 seconds unpins it. */
  async pin(key: string, seconds: number): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (
        message.kind !== 'text' ||
        !abilitiesOf(message.chat, this.on.me).writes ||
        isWaiting(message.order)
      )
        return
      await sendPin(this.on, work, message, seconds > 0 ? this.on.now() + seconds * 1000 : 0)
    })
  }
}

/** The draft of the other chat is kept. */
function forwarding({ unstyled }: Message): SendOptions {
  return { forwarded: true, draft: NO_DRAFT, ...(unstyled && { unstyled }) }
}

/** Without what only concerns the message that it was in. Pictures of one album are one again. */
function forwarded(media: Media, albums: Map<string, string>): Media {
  const { opened, album, ...rest } = media
  void opened
  if (album === undefined) return rest
  const again = albums.get(album) ?? crypto.randomUUID()
  albums.set(album, again)
  return { ...rest, album: again }
}

function carriesFile({ kind }: Media): boolean {
  return kind !== 'contact' && kind !== 'location'
}
