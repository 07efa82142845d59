/** The key of a backup: twelve words from the list of BIP 39, which encode 128 random bits, or a passphrase. */
import { entropyToMnemonic, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { randomBytes } from '@noble/ciphers/utils.js'

export const WORDS = 12
/** The minimum length of a passphrase, in characters. */
export const SHORTEST = 12
const KNOWN = new Set(wordlist)

export function newWords(): string[] {
  return entropyToMnemonic(randomBytes(16), wordlist).split(' ')
}

/** What was typed: twelve valid words, words of which `wrong` are not in the list, or a passphrase. */
export type Phrase =
  { is: 'words'; key: string } | { is: 'mistyped'; wrong: string[] } | { is: 'passphrase'; key: string }

export function phraseOf(typed: string): Phrase {
  const words = typed
    .normalize('NFKD')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter(Boolean)
  const wrong = words.filter((word) => !KNOWN.has(word))
  const text = words.join(' ')
  if (words.length === WORDS && !wrong.length) {
    return validateMnemonic(text, wordlist) ? { is: 'words', key: text } : { is: 'mistyped', wrong: [] }
  }
  if (words.length >= WORDS - 2 && words.length <= WORDS + 2 && wrong.length <= 3)
    return { is: 'mistyped', wrong }
  return { is: 'passphrase', key: typed.normalize('NFC').trim() }
}
