/** Whether anybody at an address can read what is sent there: a chat says that it is encrypted only if somebody can. */
import { isServer } from '../local/address'
import type { Address, Message } from '../local/types'
import type { Session } from './session'

/** `unknown`: nothing has gone either way, and the server could not be asked for their devices. */
export type Reach = 'encrypted' | 'nobody' | 'unknown'

export function reachOf(devices: boolean | undefined, messages: readonly Message[]): Reach {
  if (devices !== undefined) return devices ? 'encrypted' : 'nobody'
  return messages.some(wentThrough) ? 'encrypted' : 'unknown'
}

/** Whether it shows that there are two who can read each other. */
export function wentThrough({ mine, kind, encrypted, progress }: Message): boolean {
  if (kind === 'notice' || !encrypted) return false
  return !mine || ['sent', 'delivered', 'read'].includes(progress)
}

/** Whether they have a device: asked again with each connection, and when `changed` gives something else. */
export class Devices {
  there = $state<boolean>()

  constructor(here: Session, address: () => Address, changed: () => unknown = () => undefined) {
    $effect(() => {
      const asked = address()
      void here.live.connection
      void changed()
      if (isServer(asked, here.app.me)) return
      here.app.hasDevices(asked).then(
        (there) => {
          if (asked === address()) this.there = there
        },
        () => undefined // without the server, what was known last counts
      )
    })
  }
}
