/** What all screens use: the app, the server's HTTP API, linking and contact discovery. */
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
  /** `app.live` as Svelte state. */
  readonly live: Live
  /** Approves the new device that shows this linking code. */
  approve(code: string): Promise<void>
  /** Which numbers of the address book have accounts here; the server does not see the numbers. */
  discover(numbers: string[]): Promise<string[]>
  /** Logs out: deletes everything on this device, and shows the start screen. */
  leave(): Promise<void>
}

export const [session, provide] = createContext<Session>()
