/** Emojis by typing: names such as `:tada:`, which are completed, and emoticons such as `:)`. */
export interface Named {
  emoji: string
  name: string
}

/** Emoticons. Those that end with a letter or digit could also begin a name. */
const EMOTICONS: Record<string, string> = {
  ':)': '🙂',
  ':-)': '🙂',
  ';)': '😉',
  ';-)': '😉',
  ':(': '🙁',
  ':-(': '🙁',
  ":'(": '😢',
  ':D': '😄',
  ':-D': '😄',
  xD: '😆',
  XD: '😆',
  ':P': '😛',
  ':p': '😛',
  ':-P': '😛',
  ':-p': '😛',
  ';P': '😜',
  ';-P': '😜',
  ':o': '😮',
  ':O': '😮',
  ':-O': '😮',
  ':-o': '😮',
  ':*': '😘',
  ':-*': '😘',
  ':/': '😕',
  ':-/': '😕',
  ':|': '😐',
  ':-|': '😐',
  '<3': '❤️',
  '</3': '💔'
}
const LONGEST = 3

/** The beginning of a name before the cursor: at least two letters. */
const BEGUN = /(?:^|[\s(])(:[\p{L}\p{N}_+-]{2,40})$/u
/** A whole name. */
const WHOLE = /(?:^|[\s(])(:[\p{L}\p{N}_+-]{1,40}:)$/u
/** How many characters before the cursor are examined. */
const WINDOW = 60

export interface Found {
  from: number
  /** Without the colons. */
  name: string
}

export function begun(text: string, place: number): Found | undefined {
  return match(BEGUN, text, place, (found) => found.slice(1))
}

export function whole(text: string, place: number): Found | undefined {
  return match(WHOLE, text, place, (found) => found.slice(1, -1))
}

function match(
  pattern: RegExp,
  text: string,
  place: number,
  name: (found: string) => string
): Found | undefined {
  if (inCode(text, place)) return undefined
  const found = pattern.exec(text.slice(Math.max(0, place - WINDOW), place))?.[1]
  return found === undefined ? undefined : { from: place - found.length, name: name(found).toLowerCase() }
}

/** An emoticon that ends at the cursor and stands by itself. */
export function emoticon(text: string, place: number): { from: number; emoji: string } | undefined {
  for (let length = LONGEST; length > 1; length--) {
    const from = place - length
    const emoji = from < 0 ? undefined : EMOTICONS[text.slice(from, place)]
    if (emoji === undefined || !Object.hasOwn(EMOTICONS, text.slice(from, place))) continue
    if (from > 0 && !/\s/.test(text.charAt(from - 1))) continue
    return inCode(text, from) ? undefined : { from, emoji }
  }
  return undefined
}

/** Whether the cursor is in code: behind an odd number of backticks in a line, or in an open block. */
function inCode(text: string, place: number): boolean {
  const before = text.slice(0, place)
  if ((before.match(/^```/gm) ?? []).length % 2) return true
  const line = before.slice(before.lastIndexOf('\n') + 1)
  return (line.match(/`/g) ?? []).length % 2 === 1
}

let loaded: { code: string; names: Promise<Named[]> } | undefined

/** The names in English, as in other apps, and in the user's language; loaded on first use. */
export function names(code: string): Promise<Named[]> {
  if (loaded?.code !== code) {
    const all = load(code)
    loaded = { code, names: all }
    all.catch(() => {
      loaded = undefined // without a connection; the next use tries again
    })
  }
  return loaded.names
}

type Table = Record<string, string | string[]>

async function load(code: string): Promise<Named[]> {
  const english = import('emojibase-data/en/shortcodes/github.json')
  const own = code === 'de' ? import('emojibase-data/de/shortcodes/cldr.json') : undefined
  const tables = [(await english).default as Table, (await own)?.default as Table | undefined]
  return tables.flatMap((table) =>
    Object.entries(table ?? {}).flatMap(([hexcode, name]) =>
      [name].flat().map((one) => ({ emoji: written(hexcode), name: one }))
    )
  )
}

/**
 * The emoji for hexadecimal code points in emojibase's data, with a variation selector where it would otherwise be
 * drawn as text.
 */
function written(hexcode: string): string {
  const text = String.fromCodePoint(...hexcode.split('-').map((one) => Number.parseInt(one, 16)))
  return /^\P{Emoji_Presentation}$/u.test(text) ? `${text}\ufe0f` : text
}

/** The best matches: names that begin with the text first, shorter ones before longer ones, each emoji once. */
export function suggest(all: Named[], wanted: string, most = 8): Named[] {
  const rank = (name: string): number =>
    name === wanted ? 0 : name.startsWith(wanted) ? 1 : name.includes(`_${wanted}`) ? 2 : 3
  const fits = all
    .filter(({ name }) => name.includes(wanted))
    .map((one) => ({ one, rank: rank(one.name) }))
    .sort((a, b) => a.rank - b.rank || a.one.name.length - b.one.name.length)
  const found = new Map<string, Named>()
  for (const { one } of fits) {
    if (!found.has(one.emoji)) found.set(one.emoji, one)
    if (found.size === most) break
  }
  return [...found.values()]
}
