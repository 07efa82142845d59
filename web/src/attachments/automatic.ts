/** Which files are downloaded without a tap: by kind, and by what the connection costs. */
import { recall, remember } from '../local/browser-storage'
import type { MediaKind } from '../local/media'

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

/** Whether files of this kind are downloaded as soon as they are seen. */
export function isAutomatic(kind: MediaKind, connection: Connection | undefined = here()): boolean {
  const when = whenOf(sortOf(kind))
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
