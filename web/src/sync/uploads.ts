/**
 * Uploads the files of messages that wait in the outbox, in order. An upload goes on where it was after a lost connection,
 * a restart of the server or of the app: its slot is stored, and the ciphertext is the same each time.
 */
import Dexie from 'dexie'
import type { Database } from '../local/database'
import { fileUploaded, removeFiles } from '../local/files'
import { fileOf, type Media } from '../local/media'
import { addressesOf } from '../local/message-files'
import { messageKey } from '../local/order'
import type { Address, Failure, Moment, Outgoing, Upload, UploadSlot } from '../local/types'
import { Work } from '../local/work'
import { claimSecret } from '../media/cipher'
import type { MediaOrigin } from '../media/origin'
import {
  missingParts,
  sourceOf,
  storedAs,
  uploadName,
  uploadType,
  withAddress,
  type Part
} from '../media/parts'
import type { Source } from '../media/source'
import { upload, UploadFailed } from '../media/upload'
import { Refused } from '../xmpp/errors'
import type { Wire } from '../xmpp/wire'
import { secretFor } from './media-storing'
import type { Settlement } from './settlement'
import { blobOf, claimBlob, releaseBlob, requestSlot } from './slots'

/** How many run at once. */
const AT_ONCE = 2
const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000
/** Milliseconds that a disappearing file stays longer on the server, since it may be sent late. */
const SLACK_MS = 86_400_000
/** Milliseconds between two updates of the progress in the database. */
const PROGRESS_MS = 250

export type Files = Extract<Outgoing['what'], { type: 'message' }> & { media: Media }

export class Uploads {
  private readonly running = new Map<string, AbortController>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private failures = 0
  private stopped = false
  private checking = false
  /** `wake` was called while it was checked what waits. */
  private missed = false

  /** `ready` is called when a message has everything that it needs to be sent. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly origin: MediaOrigin,
    private readonly settlement: Settlement,
    private readonly now: () => Moment,
    private readonly ready: () => void
  ) {}

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    for (const one of this.running.values()) one.abort(new UploadFailed('lost'))
  }

  /** Something may be waiting. */
  async wake(): Promise<void> {
    if (this.stopped || !this.wire.online) return
    if (this.checking) {
      this.missed = true
      return
    }
    this.checking = true
    try {
      do {
        this.missed = false
        await this.check()
      } while (this.missed && !this.stopped)
    } finally {
      this.checking = false
    }
  }

  private async check(): Promise<void> {
    await this.abandon()
    const waiting = await this.db.uploads.toArray()
    const sweeps = waiting.filter(({ part }) => part === 'sweep')
    if (sweeps.length) await this.sweep(sweeps)
    for (const row of waiting) {
      if (row.part === 'sweep') continue
      if (this.running.size >= AT_ONCE) return
      if (row.state !== 'stopped' && !this.running.has(nameOf(row)))
        // The storage is closed, for example after a log-out
        this.run(row).catch((error: unknown) => console.debug('no upload', error))
    }
  }

  /** Removes files that no message has any more, here and, if they were the user's, from the server. */
  private async sweep(rows: Upload[]): Promise<void> {
    const used = new Set<string>()
    const own = new Set<string>()
    await this.db.messages.orderBy('[chat+media.kind+at]').each(({ media, mine }) => {
      const id = media && fileOf(media)
      if (!media || id === undefined) return
      used.add(id)
      if (mine) for (const url of addressesOf(media)) own.add(url)
    })
    for (const { id, part, urls = [] } of rows) {
      if (!used.has(id)) await removeFiles(this.db, [id])
      for (const url of urls.filter((one) => !own.has(one) && blobOf(one))) {
        try {
          if (!(await this.origin.local(url)).foreign) await releaseBlob(this.wire, this.me, url)
        } catch (error) {
          if (!(error instanceof Refused)) return // in the next session
        }
      }
      await this.db.uploads.delete([id, part])
    }
  }

  /** Ends what is no longer wanted: the person has stopped it, or deleted the message. */
  private async abandon(): Promise<void> {
    for (const [name, control] of this.running) {
      const [id = '', part = ''] = name.split('\n')
      const row = await this.db.uploads.get([id, part])
      if (!row || row.state === 'stopped') control.abort(new Stopped())
    }
  }

  private async run(row: Upload): Promise<void> {
    const control = new AbortController()
    this.running.set(nameOf(row), control)
    try {
      await this.one(row, control.signal)
      this.failures = 0
    } catch (error) {
      if (error instanceof Stopped) return
      const failure = failureOf(error)
      if (failure) await this.fail(row, failure)
      else await this.later(row, error)
    } finally {
      this.running.delete(nameOf(row))
      void this.wake().catch(() => undefined)
    }
  }

  private async one(row: Upload, signal: AbortSignal): Promise<void> {
    const { id, part } = row
    const waiting = await this.rows(id)
    const media = waiting[0]?.what.media
    if (!media) {
      await this.db.uploads.delete([id, part])
      return
    }
    if (part === 'claim') {
      await this.claim(row, media)
      return
    }
    if (!missingParts(media).some((one) => one === part)) {
      await this.db.uploads.delete([id, part])
      this.ready()
      return
    }
    const data = (await this.db.blobs.get(storedAs(id, part as Part)))?.data
    if (!data) throw new NoFile()
    const source = await sourceOf(media, part as Part, data)
    signal.throwIfAborted()
    const url = await this.transfer(row, media, source, signal)
    await this.done(row, url)
  }

  private async transfer(row: Upload, media: Media, source: Source, signal: AbortSignal): Promise<string> {
    const part = row.part as Part
    const slot = row.slot ?? (await this.slot(row, media, source.size))
    let last = 0
    const { url } = await this.origin.local(slot.put)
    await upload(source, slot, url, {
      signal,
      progress: (sent) => {
        const now = performance.now()
        if (now - last < PROGRESS_MS && sent < source.size) return
        last = now
        void this.db.uploads
          .update([row.id, part], { sent, size: source.size, state: 'working' })
          .then((there) => {
            if (!there) void this.wake()
          })
          .catch(() => undefined)
      }
    })
    return slot.get
  }

  private async slot(row: Upload, media: Media, size: number): Promise<UploadSlot> {
    const part = row.part as Part
    const claim = media.key !== undefined && part !== 'plain' && { claim: await claimSecret(media.key) }
    const until = await this.until(row.id)
    const file = { name: uploadName(media, part), size, type: uploadType(media, part), ...claim, ...until }
    const slot = await requestSlot(this.wire, this.me, file)
    await this.db.uploads.update([row.id, row.part], { slot, size })
    return slot
  }

  /** When the last message with the file will have disappeared, if all do. */
  private async until(id: string): Promise<{ until?: Moment }> {
    const timers = (await this.rows(id)).map(({ what }) => what.expires ?? Infinity)
    const last = Math.max(...timers)
    return Number.isFinite(last) ? { until: this.now() + last * 1000 + SLACK_MS } : {}
  }

  private async done({ id, part }: Upload, url: string): Promise<void> {
    await this.change(id, (media) => withAddress(media, part as Part, url))
    await this.db.uploads.delete([id, part])
    // a rendition is only kept until it is uploaded
    if (storedAs(id, part as Part) !== id) await this.db.blobs.delete(storedAs(id, part as Part))
    if (!(await this.db.uploads.where('id').equals(id).count())) await fileUploaded(this.db, id)
    this.ready()
  }

  /** The server has the file already, so it only has to keep it for the user. */
  private async claim({ id, part }: Upload, media: Media): Promise<void> {
    const { key } = media
    const [url] = addressesOf(media)
    try {
      if (url === undefined || key === undefined || (await this.origin.local(url)).foreign)
        throw new Refused('item-not-found', 'cancel')
      for (const one of addressesOf(media)) await claimBlob(this.wire, this.me, one, await claimSecret(key))
    } catch (error) {
      if (!(error instanceof Refused) || error.condition !== 'item-not-found') throw error
      // It is gone, or on another server: this device uploads it again, if it has it
      const here = await this.db.files.get(id)
      if (here) {
        await this.change(id, (one) => withoutAddress(one, id))
        await this.db.files.put({ ...here, pending: 1 })
        for (const missing of missingParts(withoutAddress(media, id)))
          await this.db.uploads.put(waitingUpload(id, missing))
      } else if (url === undefined || !(await this.origin.local(url)).foreign) throw new NoFile()
    }
    await this.db.outgoing
      .filter((row) => concerns(row, id))
      .modify((row: Outgoing) => {
        if (row.what.type === 'message') delete row.what.claim
      })
    await this.db.uploads.delete([id, part])
    this.ready()
  }

  /** Changes the media of all messages that wait for a file. */
  private async change(id: string, change: (media: Media) => Media): Promise<void> {
    await Work.run(this.db, async (work) => {
      for (const row of await this.rows(id)) {
        const media = change(row.what.media)
        const seq = row.seq ?? 0
        await this.db.outgoing.update(seq, { what: { ...row.what, media } })
        const message = await work.message(messageKey(row.to, this.me, true, row.id))
        if (message?.media) work.setMessage({ ...message, media: { ...change(message.media) } })
      }
    })
  }

  private async fail({ id, part }: Upload, failure: Failure): Promise<void> {
    for (const row of await this.rows(id)) await this.settlement.failed(row, failure)
    await this.db.uploads.delete([id, part])
    this.ready()
  }

  /** `UploadFailed` with the reason `slot` means that another slot is needed. */
  private async later(row: Upload, error: unknown): Promise<void> {
    const expired = error instanceof UploadFailed && error.reason === 'slot'
    await this.db.uploads
      .where('[id+part]')
      .equals([row.id, row.part])
      .modify((one: Upload) => {
        one.tries += 1
        one.state = 'waiting'
        if (expired) {
          delete one.slot
          one.sent = 0
        }
      })
    this.failures += 1
    const wait = expired && this.failures === 1 ? 0 : FIRST_WAIT_MS * 2 ** Math.min(this.failures, 10)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.wake().catch(() => undefined), Math.min(wait, LONGEST_WAIT_MS))
    // The other one must not take its place at once
    if (!this.stopped) await new Promise((done) => setTimeout(done, Math.min(wait, LONGEST_WAIT_MS)))
  }

  /**
   * The chat became encrypted, or is not any more, after the file was chosen: it is uploaded once more, as it has to be
   * now.
   */
  async convert(one: Outgoing & { what: Files }, plain: boolean): Promise<void> {
    const { media } = one.what
    const id = fileOf(media)
    const here = id === undefined ? undefined : await this.db.files.get(id)
    if (id === undefined || !here) {
      await this.settlement.failed(one, 'no-file')
      return
    }
    const { url, key, iv, plain: before, segments, streams, ...rest } = media
    void [url, key, iv, before, segments, streams]
    const as = { ...rest, file: id, ...(plain ? { plain: true as const } : secretFor(here.size)) }
    await Work.run(this.db, async (work) => {
      await this.db.outgoing.update(one.seq ?? 0, { what: { ...one.what, media: as } })
      const message = await work.message(messageKey(one.to, this.me, true, one.id))
      if (message?.media) work.setMessage({ ...message, media: as })
      await this.db.files.put({ ...here, pending: 1 })
      for (const missing of missingParts(as)) await this.db.uploads.put(waitingUpload(id, missing))
    })
    void this.wake().catch(() => undefined)
    throw new Converted()
  }

  /** Uploads a file once more that is missing at the server; undefined: it is not here. */
  async again(media: Media): Promise<string | undefined> {
    const id = fileOf(media)
    const data = id === undefined ? undefined : (await this.db.blobs.get(id))?.data
    if (id === undefined || !data || media.plain || media.key === undefined || !this.wire.online)
      return undefined
    const part = media.segments ? 'segments' : 'whole'
    const source = await sourceOf(media, part, data)
    const file = { name: uploadName(media, part), size: source.size, type: uploadType(media, part) }
    const slot = await requestSlot(this.wire, this.me, { ...file, claim: await claimSecret(media.key) })
    const options = { signal: new AbortController().signal, progress: () => undefined }
    await upload(source, slot, (await this.origin.local(slot.put)).url, options)
    return slot.get
  }

  private async rows(id: string): Promise<(Outgoing & { what: Files })[]> {
    const rows = await this.db.outgoing.filter((row) => concerns(row, id)).toArray()
    return rows as (Outgoing & { what: Files })[]
  }
}

/** A row for something that has to be uploaded. */
export function waitingUpload(id: string, part: string): Upload {
  return { id, part, state: 'waiting', size: 0, sent: 0, tries: 0 }
}

/** Whether a message has to wait for its file. */
export function isHeld({ what }: Outgoing): boolean {
  return what.type === 'message' && !!what.media && (!!what.claim || missingParts(what.media).length > 0)
}

/** Whether it is a message with a file, rather than a contact or a place. */
export function hasFile(one: Outgoing): one is Outgoing & { what: Files } {
  const { what } = one
  return what.type === 'message' && !!what.media && fileOf(what.media) !== undefined
}

/** The rows of `uploads` that a message needs. */
function uploadsFor(media: Media, claim: boolean): Upload[] {
  const id = fileOf(media)
  if (id === undefined) return []
  const parts = missingParts(media)
  return (parts.length ? parts : claim ? ['claim'] : []).map((part) => waitingUpload(id, part))
}

/** Queues what has to be uploaded of a message; what was stopped goes on. Within a transaction. */
export async function queueUploads(db: Database, media: Media, claim = false): Promise<void> {
  for (const row of uploadsFor(media, claim)) {
    const before = await db.uploads.get([row.id, row.part])
    await db.uploads.put(before ? { ...before, state: 'waiting' } : row)
  }
}

/** Ends the uploads of a message that was deleted, unless others have the same file. Within a transaction. */
export async function dropUploads(db: Database, media: Media): Promise<void> {
  const id = fileOf(media)
  if (id === undefined || (await db.outgoing.filter((row) => concerns(row, id)).count())) return
  await db.uploads.where('id').equals(id).delete()
  await fileUploaded(db, id)
  // the contents of files are not part of the history's transactions
  void Dexie.ignoreTransaction(() => db.blobs.where('id').startsWith(`${id} stream `).delete()).catch(
    () => undefined
  )
}

/** The same for a message that may be sent after all: they go on where they were. */
export async function stopUploads(db: Database, media: Media): Promise<void> {
  const id = fileOf(media)
  if (id === undefined || (await db.outgoing.filter((row) => concerns(row, id)).count())) return
  await db.uploads.where('id').equals(id).modify({ state: 'stopped' })
}

function concerns({ what }: Outgoing, id: string): boolean {
  return what.type === 'message' && !!what.media && fileOf(what.media) === id
}

/** Renditions are not here any more, and other ones must not be encrypted with the same key. */
function withoutAddress(media: Media, file: string): Media {
  const { url, streams, segments, ...rest } = media
  void [url, streams]
  return { ...rest, file, ...(segments && { segments: { size: segments.size } }) }
}

/** Why it can't be sent at all; undefined: it is tried again. */
function failureOf(error: unknown): Failure | undefined {
  if (error instanceof NoFile) return 'no-file'
  if (error instanceof UploadFailed && error.reason === 'full') return 'quota'
  if (!(error instanceof Refused) || error.type === 'wait') return undefined
  if (error.condition === 'not-acceptable') return 'too-large'
  if (error.condition === 'policy-violation' || error.condition === 'resource-constraint') return 'quota'
  return 'refused'
}

function nameOf({ id, part }: Upload): string {
  return `${id}\n${part}`
}

/** It waits for another upload. */
export class Converted extends Error {}
class NoFile extends Error {}
class Stopped extends Error {}
