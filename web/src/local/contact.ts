/** A contact of whom nothing is known yet. */
import type { Address, Contact } from './types'

export function newContact(address: Address): Contact {
  return {
    address,
    name: '',
    nick: '',
    about: '',
    picture: '',
    subscription: 'none',
    asked: false,
    asks: false,
    inRoster: false,
    blocked: false
  }
}
