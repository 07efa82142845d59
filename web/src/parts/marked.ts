/** Where a text has what was looked for: as pieces, which become nodes and never markup. */
import { folded, termsOf } from '../local/words'

export interface Piece {
  text: string
  hit: boolean
}

/** Characters of a text that are looked at, shown of it, and shown before what was found. */
const LOOKED_AT = 5000
const SHOWN = 200
const BEFORE = 16

/** The text in pieces, in turn found and not; letters that a search takes for the same count as found. */
export function marked(text: string, wanted: string): Piece[] {
  const letters = Array.from(text)
  const hits = found(letters, wanted)
  const pieces: Piece[] = []
  letters.forEach((letter, at) => {
    const last = pieces.at(-1)
    const hit = hits[at] === true
    if (last?.hit === hit) last.text += letter
    else pieces.push({ text: letter, hit })
  })
  return pieces
}

/** The same of a long text in one line: what was found is near its beginning. */
export function excerpt(text: string, wanted: string): Piece[] {
  const letters = Array.from(text.slice(0, LOOKED_AT).replace(/\s+/g, ' '))
  const first = found(letters, wanted).indexOf(true)
  const from = first > BEFORE + 6 ? wordAt(letters, first - BEFORE, first) : 0
  const shown = letters.slice(from, from + SHOWN).join('')
  return marked((from ? '…' : '') + shown, wanted)
}

/** Where a word begins, from one place up to another; else the first of them. */
function wordAt(letters: string[], from: number, to: number): number {
  const blank = letters.indexOf(' ', from)
  return blank >= 0 && blank + 1 < to ? blank + 1 : from
}

/** Which of the characters are part of what was looked for. */
function found(letters: string[], wanted: string): boolean[] {
  let whole = ''
  /** For each unit of `whole`, the character that it comes from. */
  const from: number[] = []
  letters.forEach((letter, at) => {
    const plain = folded(letter)
    whole += plain
    for (let unit = 0; unit < plain.length; unit++) from.push(at)
  })
  const hits = letters.map(() => false)
  for (const term of termsOf(wanted)) {
    for (let at = whole.indexOf(term); at >= 0; at = whole.indexOf(term, at + term.length)) {
      const last = from[at + term.length - 1] ?? 0
      // marks that stand behind a letter, such as an accent, belong to it
      const next = from[at + term.length] ?? letters.length
      const end = letters.slice(last + 1, next).every((one) => folded(one) === '') ? next : last + 1
      hits.fill(true, from[at] ?? 0, end)
    }
  }
  return hits
}
