/** The people of a conversation: what they are called in it. All components of a conversation ask this. */
import { createContext } from 'svelte'
import type { Address } from '../local/types'

export interface Parties {
  /** Whether several others write in it, so that messages say who has written them. */
  readonly many: boolean
  /** The name of whoever has written, reacted or pinned something; for the user, "You". */
  name(address: Address): string
}

export const [parties, provideParties] = createContext<Parties>()
