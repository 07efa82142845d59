/** Finds what was searched for in a text, as pieces that become nodes and never markup. */
import { folded, termsOf } from '../local/words'

export interface Piece {
  text: string
  hit: boolean
}

/** How many characters of a text are searched, and how many an excerpt shows, in total and before the first match. */
const LOOKED_AT = 5000
const SHOWN = 200
const BEFORE = 16

/** Splits a text into pieces, alternately without and with a match. Case and accents make no difference. */
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

/** Splits an excerpt of a text, in one line, which begins shortly before the first match. */
export function excerpt(text: string, wanted: string): Piece[] {
  const letters = Array.from(text.slice(0, LOOKED_AT).replace(/\s+/g, ' '))
  const first = found(letters, wanted).indexOf(true)
  const from = first > BEFORE + 6 ? wordAt(letters, first - BEFORE, first) : 0
  const shown = letters.slice(from, from + SHOWN).join('')
  return marked((from ? '…' : '') + shown, wanted)
}

/** The index of the first word that begins after `from` and before `to`; `from` if there is none. */
function wordAt(letters: string[], from: number, to: number): number {
  const blank = letters.indexOf(' ', from)
  return blank >= 0 && blank + 1 < to ? blank + 1 : from
}

/** Whether each character is part of a match. */
function found(letters: string[], wanted: string): boolean[] {
  let whole = ''
  /** For each unit of `whole`: the index of the character that it comes from. */
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
      // combining marks belong to the letter before them
      const next = from[at + term.length] ?? letters.length
      const end = letters.slice(last + 1, next).every((one) => folded(one) === '') ? next : last + 1
      hits.fill(true, from[at] ?? 0, end)
    }
  }
  return hits
}
