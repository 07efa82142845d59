/** Whether anybody at an address can read encrypted messages. A chat only claims to be encrypted if somebody can. */
import { abilitiesOf, kindOf } from '../local/conversation'
import type { Address, Message } from '../local/types'
import type { Session } from './session'

/** `unknown`: no message has been exchanged, and the server could not be asked for devices. */
export type Reach = 'encrypted' | 'nobody' | 'unknown'

export function reachOf(devices: boolean | undefined, messages: readonly Message[]): Reach {
  if (devices !== undefined) return devices ? 'encrypted' : 'nobody'
  return messages.some(wentThrough) ? 'encrypted' : 'unknown'
}

/** Whether a message shows that both sides can read each other. */
export function wentThrough({ mine, kind, encrypted, progress }: Message): boolean {
  if (kind === 'notice' || kind === 'call' || !encrypted) return false
  return !mine || ['sent', 'delivered', 'read'].includes(progress)
}

/** Whether somebody has a device with keys. Asked again with each connection, and when `changed` changes. */
export class Devices {
  there = $state<boolean>()

  constructor(here: Session, address: () => Address, changed: () => unknown = () => undefined) {
    $effect(() => {
      const asked = address()
      void here.live.connection
      void changed()
      if (!abilitiesOf(asked, here.app.me).encrypts || kindOf(asked, here.app.me) === 'group') return
      here.app.hasDevices(asked).then(
        (there) => {
          if (asked === address()) this.there = there
        },
        () => undefined // without the server, the last answer counts
      )
    })
  }
}
