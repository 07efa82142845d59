/** Finds people by part of a name, a number as it is dialled, or an address. */
import { asciiDigits } from '../local/digits'
import { folded } from '../local/words'
import type { Address, Contact } from '../local/types'
import { grouped } from './names'

/** Fewer digits than this are found only at the beginning of a number. */
const FEW = 3

/** Whether a search for `wanted` finds a person. An empty search finds everybody. */
export function matchesSearch(
  contact: Pick<Contact, 'name' | 'nick'> | undefined,
  address: Address,
  wanted: string
): boolean {
  const text = folded(wanted.trim())
  if (text === '') return true
  const [local = '', domain = ''] = address.split('@')
  if (folded(`${contact?.name ?? ''} ${contact?.nick ?? ''}`).includes(text)) return true
  if (local.startsWith('+') && dialled(local, wanted)) return true
  // the domain is searched only after an @, since most people here share it
  return folded(text.includes('@') ? `${local}@${domain}` : local).includes(text)
}

/** Whether a number (E.164) matches digits: all of it, after 00 or a trunk prefix 0, or any part. */
export function dialled(number: string, typed: string): boolean {
  const text = asciiDigits(typed).replace(/[\s()./-]/g, '')
  if (!/^\+?[0-9]+$/.test(text)) return false
  if (text.startsWith('+')) return number.startsWith(text)
  if (text.length >= FEW && number.includes(text)) return true
  if (text.startsWith('00')) return text.length > 2 && number.startsWith(`+${text.slice(2)}`)
  const national = grouped(number).replace(/^\S+/, '').replace(/\s/g, '')
  return text.startsWith('0')
    ? text.length > 1 && national.startsWith(text.slice(1))
    : national.startsWith(text)
}
