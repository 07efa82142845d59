/** Creates and restores backups of the history. */
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { opened, sealed } from './file-worker'
import { asNow } from './former-address'
import { pageOf, planOf, START, type Place } from './collect'
import { BadFile, type FileProblem } from './bad-file'
import { Damaged, linesOf } from './lines'
import type { Phrase } from './phrase'
import { lineOf, type Line } from './record-reader'
import type { AccountRecord, EndRecord, HistoryRecord } from './records'

/** From 0 to 1; undefined: unknown. */
export type Progress = (share: number | undefined) => void

export interface Restored {
  /** The number of new messages. */
  added: number
  /** The number of records that this version does not know, or that are invalid. */
  skipped: number
  /** The file is truncated or was changed; everything valid was restored. */
  damaged: boolean
}

/** `newer`: it was made by a later version of the app. */
export type RestoreProblem = FileProblem | 'other-account' | 'newer' | 'full'

/** Nothing of the file was restored. */
export class NotRestored extends Error {
  constructor(
    readonly problem: RestoreProblem,
    /** For `other-account`: the account of the backup. */
    readonly account: Address = ''
  ) {
    super(problem)
  }
}

/** About how many characters of records are read and compressed at once. */
const MAX_PAGE = 400_000
/** How many rows are written at once when a backup is restored. */
const BATCH = 300

/** Backs up all chats and messages, encrypted with `phrase`; no keys or credentials. */
export async function backup(
  db: Database,
  me: Address,
  phrase: Exclude<Phrase, { is: 'mistyped' }>,
  now: Moment,
  progress: Progress
): Promise<Blob> {
  const plan = await planOf(db, now)
  const gzip = new CompressionStream('gzip')
  const whole = new Response(gzip.readable as ReadableStream<Uint8Array>).blob()
  const writer = gzip.writable.getWriter()
  const text = new TextEncoder()
  let count = 0
  let place: Place | undefined = START
  while (place) {
    const page = await pageOf(db, me, plan, place, MAX_PAGE, now)
    count += page.lines.length
    if (page.lines.length) await writer.write(text.encode(`${page.lines.join('\n')}\n`))
    place = page.next
    progress(plan.total ? Math.min(1, (place?.done ?? plan.total) / plan.total) : undefined)
  }
  const end: EndRecord = { type: 'end', v: 1, records: count }
  await writer.write(text.encode(`${JSON.stringify(end)}\n`))
  await writer.close()
  progress(undefined)
  return sealed(await whole, phrase.key, phrase.is === 'words')
}

/**
 * Restores a backup. `former`: earlier addresses of the account, whose backups are accepted. `store`: adds records to
 * the history. Rejects with NotRestored.
 */
export async function restore(
  file: Blob,
  key: string,
  me: Address,
  former: readonly Address[],
  now: Moment,
  store: (records: HistoryRecord[]) => Promise<number>,
  progress: Progress
): Promise<Restored> {
  progress(undefined)
  const { data, whole } = await opened(file, key).catch((error: unknown) => {
    throw error instanceof BadFile ? new NotRestored(error.problem) : error
  })
  const result: Restored = { added: 0, skipped: 0, damaged: !whole }
  let batch: HistoryRecord[] = []
  let read = 0
  let total = -1
  let owner = me
  let ended = false
  const flush = async (): Promise<void> => {
    if (!batch.length) return
    result.added += await store(batch)
    batch = []
    progress(total > 0 ? Math.min(1, read / total) : undefined)
  }
  try {
    for await (const json of linesOf(data.stream(), 'gzip')) {
      const line = lineOf(json, now)
      if (total < 0) {
        const { account, total: messages } = beginning(line, [me, ...former])
        owner = account
        total = messages
        continue
      }
      if (line.is !== 'record') {
        result.skipped += 1
        continue
      }
      if (line.record.type === 'message') read += 1
      if (line.record.type === 'end') ended = true
      else batch.push(asNow(line.record, owner, me))
      if (batch.length >= BATCH) await flush()
    }
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
  }
  await flush()
  return { ...result, damaged: result.damaged || !ended }
}

/** Parses the first line, which has the account of the backup and the approximate number of messages. */
function beginning(line: Line, mine: readonly Address[]): AccountRecord {
  if (line.is === 'unknown' && line.type === 'account') throw new NotRestored('newer')
  if (line.is !== 'record' || line.record.type !== 'account') throw new NotRestored('not-a-backup')
  if (!mine.includes(line.record.account)) throw new NotRestored('other-account', line.record.account)
  return line.record
}
