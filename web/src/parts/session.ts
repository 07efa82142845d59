/** What screens are given by the page: the app, the server's HTTP API, and what linking and contacts need. */
import { createContext } from 'svelte'
import type { Api } from '../start/api'
import type { App, Live } from '../sync/app'

export interface Found {
  number: string
  name: string
}

export interface Session {
  app: App
  api: Api
  /** `app.live`, as Svelte sees it. */
  readonly live: Live
  /** Lets the device in that has shown this code. */
  approve(code: string): Promise<void>
  /** Who of the address book is here; the server does not see the numbers. */
  discover(numbers: string[]): Promise<string[]>
  /** Wipes everything and begins anew. */
  leave(): Promise<void>
}

export const [session, provide] = createContext<Session>()
