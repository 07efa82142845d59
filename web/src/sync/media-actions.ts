/** Actions of the user on media: sending files, stopping, and loading them. */
import { isAccepted } from '../local/accepted'
import { fileData, removeFiles, storeFile } from '../local/files'
import { fileOf, fileUrl, LARGEST_WHOLE, type Media, TAG } from '../local/media'
import { isGroup } from '../local/address'
import type { Address, Message } from '../local/types'
import type { Work } from '../local/work'
import { download, DownloadFailed } from '../media/download'
import type { MediaOrigin } from '../media/origin'
import { inWorker } from '../media/worker'
import { NotHere, type LoadOptions, type MediaItem, type SendOptions } from './app'
import type { MediaSources } from './media-sources'
import { storeMedia } from './media-storing'
import type { Queueing } from './queueing'
import { stopUploads } from './upload-queue'

/** Bytes of a file of another app, whose size nobody has said. */
const LARGEST_UNKNOWN = LARGEST_WHOLE

export class MediaActions {
  constructor(
    private readonly on: Queueing,
    private readonly origin: MediaOrigin,
    private readonly sources: MediaSources,
    private readonly send: (chat: Address, text: string, options: SendOptions) => Promise<void>
  ) {}

  async sendMedia(
    chat: Address,
    items: MediaItem[],
    options: Pick<SendOptions, 'reply'> = {}
  ): Promise<void> {
    const plain = await this.isPlain(chat)
    const ready: { media: Media; caption: string }[] = []
    for (const item of items) {
      const { media, caption = '', data } = item
      const stored = data ? await storeMedia(this.on.db, this.on.now(), item, data, plain) : media
      ready.push({ media: stored, caption })
    }
    // One transaction for all, in order
    await Promise.all(
      ready.map(({ media, caption }, at) => this.send(chat, caption, { media, ...(at ? {} : options) }))
    )
  }

  async stopUpload(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      const { id, chat, media } = message
      if (!message.mine || message.progress !== 'waiting' || !media) return
      const rows = await this.on.db.outgoing.where('id').equals(id).toArray()
      const row = rows.find((one) => one.to === chat && !one.made)
      if (row?.seq === undefined) return
      await this.on.db.outgoing.delete(row.seq)
      await stopUploads(this.on.db, media)
      work.setMessage({ ...message, progress: 'failed', failure: 'stopped' })
    })
  }

  async heard(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (!message.mine && message.media?.kind === 'voice') await this.opened(work, message)
    })
  }

  /** Strangers are told nothing, and nobody without encryption, since only an encrypted note counts. */
  private async opened(work: Work, message: Message): Promise<void> {
    const { db, me } = this.on
    const { media, chat, id, encrypted } = message
    if (!media || media.opened) return
    work.setMessage({ ...message, media: { ...media, opened: true } })
    if (!encrypted || !(isGroup(chat, me) || (await isAccepted(db, me, chat)))) return
    await this.on.tell(work, chat, { type: 'note', note: { heard: id } })
  }

  /** Only who has sent it, and the user's other devices, have it. */
  async askForFile(key: string): Promise<void> {
    const { me } = this.on
    await this.on.about(key, async ({ media, mine, from, id }, work) => {
      const to = mine ? me : from
      const url = media && fileUrl(media)
      if (url === undefined || media?.plain || to.includes('/')) return
      await this.on.tell(work, to, { type: 'note', note: { reupload: { id, url } } })
    })
  }

  /** What is not encrypted, or on another server, is fetched first, so that it can be uploaded to the own one. */
  async beforeForwarding(keys: string[]): Promise<void> {
    for (const message of await this.on.db.messages.bulkGet(keys)) {
      const url = message?.media?.url
      if (!message || url === undefined || message.media?.once) continue
      if (message.media?.plain || (await this.origin.local(url)).foreign) await this.file(message.key)
    }
  }

  async viewedOnce(key: string): Promise<void> {
    const { db } = this.on
    const message = await db.messages.get(key)
    if (!message?.media?.once || message.mine || message.media.opened) return
    const file = fileOf(message.media)
    await this.on.about(key, (one, work) => this.opened(work, one))
    if (file !== undefined) await removeFiles(db, [file])
  }

  async file(key: string, options: LoadOptions = {}): Promise<Blob> {
    const message = await this.on.db.messages.get(key)
    const id = message?.media && fileOf(message.media)
    if (!message?.media || id === undefined) throw new NotHere()
    if (message.media.once && message.media.opened) throw new NotHere()
    const here = await fileData(this.on.db, id, this.on.now())
    if (here) return here
    if (options.here) throw new NotHere()
    const data = await this.fetch(message.media, options)
    await storeFile(this.on.db, id, data, this.on.now())
    return data
  }

  /** Nothing that could not be authenticated is returned, let alone stored. */
  private async fetch(media: Media, { signal, progress }: LoadOptions): Promise<Blob> {
    const { url, key, iv, digest, size, type = '', plain } = media
    if (media.segments) return this.sources.whole(media, type, progress, signal)
    if (url === undefined) throw new DownloadFailed('gone')
    const address = await this.sources.addressOf(url)
    const added = plain ? 0 : TAG
    const options = {
      most: size === undefined ? LARGEST_UNKNOWN + TAG : size + added,
      exactly: size === undefined ? undefined : size + added,
      ...(signal && { signal }),
      ...(progress && { progress })
    }
    const data = await download(address, options)
    if (plain || key === undefined || iv === undefined) {
      if (digest !== undefined && (await inWorker({ do: 'digest', data })) !== digest)
        throw new DownloadFailed('refused')
      return data.slice(0, data.size, type)
    }
    return inWorker({ do: 'decrypt', data, key, iv, digest, type })
  }

  /** Whether messages to this chat are not encrypted. */
  private async isPlain(chat: Address): Promise<boolean> {
    if (isGroup(chat, this.on.me)) return (await this.on.db.groups.get(chat))?.plain === true
    return (await this.on.db.chats.get(chat))?.keyless?.agreed === true
  }
}
