/** What the tab that leads the connection and the tab that has a call tell each other. */
import type { Address, Moment } from '../local/types'

/** Why a call ended, as XEP-0166 §7.4 names it. */
export const REASONS = [
  'success',
  'busy',
  'decline',
  'cancel',
  'timeout',
  'expired',
  'gone',
  'connectivity-error',
  'security-error',
  'failed-application',
  'failed-transport',
  'general-error',
  'media-error',
  'unsupported-applications',
  'incompatible-parameters'
] as const
export type Reason = (typeof REASONS)[number]

/** Why a call that this device saw has ended; `elsewhere`: another of the user's devices or tabs handles it. */
export type Ending = Reason | 'elsewhere' | 'unreachable'

/** A call that has not ended, as all tabs see it. */
export interface CallState {
  /** The id of the session. */
  id: string
  with: Address
  /** The user has called. */
  outgoing: boolean
  /** With a picture from the beginning. */
  video: boolean
  /** `proposed`: nobody's device has rung yet; `ringing`: on either side; `accepted`: the tab `tab` has it. */
  phase: 'proposed' | 'ringing' | 'accepted'
  /** The tab that has the call; empty: all ring. */
  tab: string
  since: Moment
}

/** A call with what only the signalling needs, which a tab tells a tab that leads from now on. */
export interface AdoptedCall extends CallState {
  /** The full address of the other device; empty: it is not known yet. */
  peer: string
  /** The OMEMO id of the other device; 0: unknown. */
  device: number
}

/** The result of an action on a call that the leading tab does not know: it may lead since a moment only. */
export const UNKNOWN_CALL = 'unknown-call'

export type CallAction =
  | { do: 'propose'; id: string; to: Address; video: boolean; tab: string }
  | { do: 'accept'; id: string; tab: string }
  | { do: 'reject'; id: string; reason: Reason }
  /** Retracts, or finishes, what this device has begun or accepted. */
  | { do: 'end'; id: string; reason: Reason }
  /** Sends `<jingle/>`. Resolves to the condition of the error, or an empty text. */
  | { do: 'send'; id: string; xml: string }
  /** The answer to a request of the other device; `error`: the condition, and that of Jingle. */
  | { do: 'answer'; id: string; iq: string; error?: [string, string?] }
  /** Encrypts for the other device. Resolves to `<encrypted/>`; undefined: it can't be encrypted for it. */
  | { do: 'seal'; id: string; text: string }
  | { do: 'unseal'; id: string; xml: string }
  | { do: 'adopt'; call: AdoptedCall }
  /** Another call of the user goes on in this tab or another. */
  | { do: 'hold-others'; id: string; tab: string }

/** A decrypted text. `trust`: how the key of the device that has encrypted it is known. */
export interface Unsealed {
  text: string
  device: number
  trust: 'verified' | 'trusted' | 'none'
}

/** `tab`: the one that it is for; empty: all. */
export type CallEvent = { id: string; tab: string } & (
  | { type: 'ended'; reason: Ending }
  /** The other side has accepted: this tab begins the session. */
  | { type: 'proceed'; peer: string; device: number }
  /** A request of the other device, which has to be answered. */
  | { type: 'jingle'; iq: string; xml: string }
  /** The call goes on as another one: both have called, or the other side has changed its device. */
  | { type: 'replaced'; by: string; peer: string }
  | { type: 'hold' }
)
