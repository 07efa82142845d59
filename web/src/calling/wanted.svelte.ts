/** Whether the code of calls is needed, which is loaded then. */
import type { Address } from '../local/types'

class Wanted {
  /** Stays once something was called: a call may end while its code is loaded. */
  loaded = $state(false)
  /** Whom the user wants to call. */
  call = $state.raw<{ to: Address; video: boolean }>()
}

export const wanted = new Wanted()

export function startCall(to: Address, video: boolean): void {
  wanted.loaded = true
  wanted.call = { to, video }
}
