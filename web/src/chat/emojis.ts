/** Emojis with their names, loaded when the picker opens, and the recently used ones. */
import { recall, remember } from '../local/browser-storage'
export interface Emoji {
  emoji: string
  label: string
  tags: string[]
  group: number
}

/** An entry in emojibase's data. */
interface Raw {
  unicode: string
  label: string
  tags?: string[]
  group?: number
  order?: number
}

const RECENT = 'kith.emojis'
const MAX_RECENT = 24
export const QUICK = ['👍', '❤️', '😂', '😮', '😢', '🙏']
/** Emojibase's groups, except components of emojis (2). */
export const GROUPS = [0, 1, 3, 4, 5, 6, 7, 8, 9] as const

export async function load(code: string): Promise<Emoji[]> {
  const data =
    code === 'de'
      ? await import('emojibase-data/de/compact.json')
      : await import('emojibase-data/en/compact.json')
  return (data.default as Raw[])
    .filter((one) => one.group !== undefined && one.group !== 2)
    .sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
    .map((one) => ({ emoji: one.unicode, label: one.label, tags: one.tags ?? [], group: one.group ?? 0 }))
}

export function recent(): string[] {
  try {
    const kept: unknown = JSON.parse(recall(RECENT) ?? '[]')
    return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string').slice(0, MAX_RECENT) : []
  } catch {
    return []
  }
}

export function used(emoji: string): void {
  const kept = [emoji, ...recent().filter((one) => one !== emoji)].slice(0, MAX_RECENT)
  remember(RECENT, JSON.stringify(kept))
}
