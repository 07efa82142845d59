/**
 * Uploads the files of messages that wait in the outbox, in order. An upload goes on where it was after a lost connection,
 * a restart of the server or of the app: its slot is stored, and the ciphertext is the same each time.
 */
import type { Database } from '../local/database'
import { fileUploaded } from '../local/files'
import { fileOf, missingParts, type Media, type Part } from '../local/media'
import { addressesOf, waitingUpload } from '../local/message-files'
import { messageKey } from '../local/order'
import type { Upload, UploadSlot } from '../local/file-types'
import type { Address, Failure, Moment, Outgoing } from '../local/types'
import { Work } from '../local/work'
import { claimSecret } from '../media/cipher'
import type { MediaOrigin } from '../media/origin'
import { sourceOf, storedAs, uploadName, uploadType, withAddress } from '../media/parts'
import type { Source } from '../media/source'
import { upload, UploadFailed } from '../media/upload'
import { Refused } from '../xmpp/errors'
import type { Wire } from '../xmpp/wire'
import { secretFor } from './media-storing'
import type { Settlement } from './settlement'
import { claimBlob, requestSlot } from './slots'
import { sweepFiles } from './sweep'
import { concerns, waitingFor, type Files } from './upload-queue'

/** How many run at once. */
const AT_ONCE = 2
const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000
/** Milliseconds that a disappearing file stays longer on the server, since it may be sent late. */
const SLACK_MS = 86_400_000
/** Milliseconds between two updates of the progress in the database. */
const PROGRESS_MS = 250

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
    if (sweeps.length) await sweepFiles(this.db, this.me, this.wire, this.origin, sweeps)
    for (const row of waiting) {
      if (row.part === 'sweep') continue
      if (this.running.size >= AT_ONCE) return
      if (row.state !== 'stopped' && !this.running.has(nameOf(row)))
        // The storage is closed, for example after a log-out
        this.run(row).catch((error: unknown) => console.debug('no upload', error))
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
    const { id } = row
    const [first] = await waitingFor(this.db, id)
    if (!first) {
      await this.db.uploads.delete([id, row.part])
      return
    }
    const { media } = first.what
    if (row.part === 'claim') {
      await this.claim(row, media)
      return
    }
    const part = missingParts(media).find((one) => one === row.part)
    if (part === undefined) {
      await this.db.uploads.delete([id, row.part])
      this.ready()
      return
    }
    const data = (await this.db.blobs.get(storedAs(id, part)))?.data
    if (!data) throw new NoFile()
    const source = await sourceOf(media, part, data)
    signal.throwIfAborted()
    const slot = row.slot ?? (await this.newSlot(id, part, media, source.size))
    await this.transfer(row, source, slot, signal)
    await this.done(id, part, slot.get)
  }

  private async transfer(
    { id, part }: Upload,
    source: Source,
    slot: UploadSlot,
    signal: AbortSignal
  ): Promise<void> {
    let last = 0
    const { url } = await this.origin.local(slot.put)
    await upload(source, slot, url, {
      signal,
      progress: (sent) => {
        const now = performance.now()
        if (now - last < PROGRESS_MS && sent < source.size) return
        last = now
        void this.db.uploads
          .update([id, part], { sent, size: source.size, state: 'working' })
          .then((there) => {
            if (!there) void this.wake()
          })
          .catch(() => undefined)
      }
    })
  }

  private async newSlot(id: string, part: Part, media: Media, size: number): Promise<UploadSlot> {
    const slot = await this.slot(media, part, size, await this.until(id))
    await this.db.uploads.update([id, part], { slot, size })
    return slot
  }

  private async slot(
    media: Media,
    part: Part,
    size: number,
    until: { until?: Moment } = {}
  ): Promise<UploadSlot> {
    const claim = media.key !== undefined && part !== 'plain' && { claim: await claimSecret(media.key) }
    const file = { name: uploadName(media, part), size, type: uploadType(media, part), ...claim, ...until }
    return requestSlot(this.wire, this.me, file)
  }

  /** When the last message with the file will have disappeared, if all do. */
  private async until(id: string): Promise<{ until?: Moment }> {
    const timers = (await waitingFor(this.db, id)).map(({ what }) => what.expires ?? Infinity)
    const last = Math.max(...timers)
    return Number.isFinite(last) ? { until: this.now() + last * 1000 + SLACK_MS } : {}
  }

  private async done(id: string, part: Part, url: string): Promise<void> {
    await this.change(id, (media) => withAddress(media, part, url))
    await this.db.uploads.delete([id, part])
    // a rendition is only kept until it is uploaded
    if (storedAs(id, part) !== id) await this.db.blobs.delete(storedAs(id, part))
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
      for (const row of await waitingFor(this.db, id)) {
        const media = change(row.what.media)
        const seq = row.seq ?? 0
        await this.db.outgoing.update(seq, { what: { ...row.what, media } })
        const message = await work.message(messageKey(row.to, this.me, true, row.id))
        if (message?.media) work.setMessage({ ...message, media: { ...change(message.media) } })
      }
    })
  }

  private async fail({ id, part }: Upload, failure: Failure): Promise<void> {
    for (const row of await waitingFor(this.db, id)) await this.settlement.failed(row, failure)
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
    const wait =
      expired && this.failures === 1
        ? 0
        : Math.min(FIRST_WAIT_MS * 2 ** Math.min(this.failures, 10), LONGEST_WAIT_MS)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.wake().catch(() => undefined), wait)
    // The other one must not take its place at once
    if (!this.stopped) await new Promise((done) => setTimeout(done, wait))
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
    const slot = await this.slot(media, part, source.size)
    const options = { signal: new AbortController().signal, progress: () => undefined }
    await upload(source, slot, (await this.origin.local(slot.put)).url, options)
    return slot.get
  }
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
