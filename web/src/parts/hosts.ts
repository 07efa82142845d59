/**
 * Detects links that seem to lead elsewhere than they do: hosts that mix scripts or look like others (as in Chromium's
 * policy for international names), unusual forms of IP addresses, and user names before an @.
 */
import { asLatin } from '../local/lookalikes'

const SCRIPTS = [
  ...[
    'Latin',
    'Cyrillic',
    'Greek',
    'Armenian',
    'Georgian',
    'Hebrew',
    'Arabic',
    'Devanagari',
    'Bengali',
    'Tamil'
  ],
  ...['Telugu', 'Gujarati', 'Kannada', 'Malayalam', 'Gurmukhi', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Sinhala'],
  ...['Ethiopic', 'Cherokee', 'Han', 'Hiragana', 'Katakana', 'Hangul', 'Bopomofo']
].map((name) => ({ name, letter: new RegExp(`\\p{Script_Extensions=${name}}`, 'u') }))

/** Scripts that are used together (UTS #39, highly restrictive). */
const TOGETHER = [
  ['Latin', 'Han', 'Hiragana', 'Katakana'],
  ['Latin', 'Han', 'Bopomofo'],
  ['Latin', 'Han', 'Hangul']
]
/** Top-level domains where names that consist of lookalikes are usual. */
const AT_HOME: Record<string, string[]> = {
  Cyrillic: ['ru', 'su', 'ua', 'by', 'kz', 'uz', 'bg', 'rs', 'mk', 'mn', 'kg', 'me', 'ba'],
  Greek: ['gr', 'cy'],
  Armenian: ['am']
}
/** Letters of Latin alphabets that people recognize, although they look like others. */
const KNOWN = /[łøđħŧß]/
/** Characters that are invisible or change the direction of text. */
const UNSEEN = /[\p{C}\p{Default_Ignorable_Code_Point}]/u

/** The real host; empty: the link shows it plainly. `text`: the link as it is written. */
export function unusualHost(text: string, url: URL): string {
  const written = text.replace(/^https?:\/\//i, '').split(/[/?#\\]/, 1)[0] ?? ''
  const host = url.hostname
  if (url.username || url.password || written.includes('@')) return host
  const plain = written.replace(/:\d*$/, '').toLowerCase()
  if (plain === host) return ''
  const labels = plain.normalize('NFKC').split('.')
  const top = labels.at(-1) ?? ''
  // Letters in circles, of full width, or another kind of dot: nobody types them
  const odd = UNSEEN.test(plain) || plain.normalize('NFKC') !== plain.normalize('NFC')
  const international = labels.length === host.split('.').length && !odd
  return international && labels.every((label) => isPlain(label, top)) ? '' : host
}

/** Whether a label of a host can't be mistaken for another. */
function isPlain(label: string, top: string): boolean {
  if (/^[a-z0-9-]*$/.test(label)) return true
  if (!/^[\p{L}\p{M}\p{N}-]+$/u.test(label)) return false
  const letters = [...label].filter((one) => /\p{L}/u.test(one))
  const scripts = new Set(letters.map(scriptOf))
  if (scripts.has('')) return false
  const pure = scripts.size <= 1 || TOGETHER.some((some) => [...scripts].every((one) => some.includes(one)))
  if (!pure) return false
  const [script = ''] = scripts
  if (script === 'Latin') {
    return letters.every((one) => asLatin(one) === undefined || KNOWN.test(one)) && !/[a-z]\p{M}/u.test(label)
  }
  const likeness = letters.every((one) => asLatin(one) !== undefined)
  return !likeness || scriptOf(top[0] ?? '') === script || (AT_HOME[script] ?? []).includes(top)
}

function scriptOf(letter: string): string {
  return SCRIPTS.find((one) => one.letter.test(letter))?.name ?? ''
}
