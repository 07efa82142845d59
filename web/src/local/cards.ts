/** Contact cards: vCard 4 (RFC 6350), as far as the app shows and writes them. Versions 2.1 and 3 are read as well. */
import { cleanName } from './names'

export interface Card {
  name: string
  /** Telephone numbers. */
  numbers: string[]
  emails: string[]
  /** XMPP addresses. */
  addresses: string[]
  organization: string
}

const MOST = 10
const LONGEST_LINE = 500

/** What a card says; whatever is missing is empty. Nothing in it is believed or followed. */
export function cardOf(text: string): Card {
  const found: Card = { name: '', numbers: [], emails: [], addresses: [], organization: '' }
  let structured = ''
  for (const line of text.replace(/\r?\n[ \t]/g, '').split(/\r?\n/)) {
    const colon = valueStart(line)
    if (colon < 0) continue
    const property = (line.slice(0, colon).split(';', 1)[0] ?? '').replace(/^.*\./, '').toUpperCase()
    const value = line.slice(colon + 1).slice(0, LONGEST_LINE)
    if (property === 'FN') found.name ||= cleanName(unescaped(value))
    else if (property === 'N') structured ||= value
    else if (property === 'TEL') add(found.numbers, unescaped(value.replace(/^tel:/i, '')))
    else if (property === 'EMAIL') add(found.emails, unescaped(value.replace(/^mailto:/i, '')))
    else if (property === 'IMPP' && /^xmpp:/i.test(value)) add(found.addresses, addressIn(value))
    else if (property === 'ORG') found.organization ||= cleanName(unescaped(value.split(';', 1)[0] ?? ''))
  }
  if (!found.name) {
    const [family = '', given = ''] = structured.split(/(?<!\\);/)
    found.name = cleanName(unescaped(`${given} ${family}`))
  }
  return found
}

/** Writes a card. */
export function cardWritten({
  name,
  numbers,
  addresses
}: Pick<Card, 'name' | 'numbers' | 'addresses'>): string {
  return [
    'BEGIN:VCARD',
    'VERSION:4.0',
    `FN:${escaped(name)}`,
    ...numbers.map((number) => `TEL;VALUE=uri:tel:${number.replace(/[^+0-9]/g, '')}`),
    ...addresses.map((address) => `IMPP:xmpp:${encodeURI(address)}`),
    'END:VCARD',
    ''
  ].join('\r\n')
}

/** The colon before the value: not one in a quoted parameter. */
function valueStart(line: string): number {
  let quoted = false
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"') quoted = !quoted
    else if (line[at] === ':' && !quoted) return at
  }
  return -1
}

function addressIn(uri: string): string {
  try {
    return decodeURIComponent(uri.slice(5).split('?', 1)[0] ?? '')
  } catch {
    return ''
  }
}

function add(all: string[], value: string): void {
  const clean = cleanName(value)
  if (clean && all.length < MOST && !all.includes(clean)) all.push(clean)
}

function unescaped(value: string): string {
  return value.replace(/\\([\\,;nN])/g, (_, one: string) => (one === 'n' || one === 'N' ? '\n' : one))
}

function escaped(value: string): string {
  return value.replace(/[\\,;]/g, (one) => `\\${one}`).replace(/\r?\n/g, '\\n')
}
