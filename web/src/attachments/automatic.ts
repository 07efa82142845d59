/** Which files are downloaded without a tap: by kind, and by what the connection costs. */
import { recall, remember } from '../local/browser-storage'
import type { Media, MediaKind } from '../local/media'

export type Sort = 'pictures' | 'sound' | 'videos' | 'documents'
export const SORTS: readonly Sort[] = ['pictures', 'sound', 'videos', 'documents']
/** `unmetered`: not over a phone's network, and not when the person saves data. */
export type When = 'always' | 'unmetered' | 'never'
export const WHENS: readonly When[] = ['always', 'unmetered', 'never']

const DEFAULTS: Record<Sort, When> = {
  pictures: 'always',
  sound: 'always',
  videos: 'unmetered',
  documents: 'never'
}
const STORED = 'kith.automatic'

interface Connection {
  type?: string
  effectiveType?: string
  saveData?: boolean
}

export function sortOf(kind: MediaKind): Sort {
  if (kind === 'picture' || kind === 'sticker') return 'pictures'
  if (kind === 'voice' || kind === 'audio') return 'sound'
  return kind === 'video' ? 'videos' : 'documents'
}

export function whenOf(sort: Sort): When {
  const chosen = stored()[sort]
  return WHENS.find((one) => one === chosen) ?? DEFAULTS[sort]
}

export function setWhen(sort: Sort, when: When): void {
  remember(STORED, JSON.stringify({ ...stored(), [sort]: when }))
}

/**
 * Whether a file of others is downloaded as soon as it is seen. `as`: the kind that it counts as. What was not encrypted, and
 * what is in segments, which may be larger than the disk, waits for a tap.
 */
export function isAutomatic(media: Media, as: MediaKind = media.kind): boolean {
  if (media.plain || media.segments) return false
  const connection = here()
  const when = whenOf(sortOf(as))
  if (when !== 'unmetered') return when === 'always' && connection?.saveData !== true
  if (!connection) return true
  const slow = connection.effectiveType !== undefined && connection.effectiveType !== '4g'
  return !connection.saveData && connection.type !== 'cellular' && !slow
}

function here(): Connection | undefined {
  return (globalThis.navigator as { connection?: Connection } | undefined)?.connection
}

function stored(): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(recall(STORED) ?? '{}')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
