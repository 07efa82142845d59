/** Who is logged in to this page. A token is kept in this tab alone, until the tab is closed or the person logs out. */
import type { Answer, Problem } from '../start/api'
import { AdminApi, type Me } from './api'
import { t } from './strings/strings'

const TOKEN = 'kith.admin.token'

/** Where this tab keeps the token. Some browsers forbid it; then a reload asks for the token again. */
export interface TabStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

export class Desk {
  me = $state.raw<Me>()
  /** Why the person was logged out. */
  ended = $state('')
  private bearer: () => Promise<string> = () => Promise.resolve('')
  private readonly api = new AdminApi(() => this.bearer())

  constructor(private readonly storage: TabStorage | undefined) {}

  /** Whether changes are allowed. */
  get writes(): boolean {
    return this.me?.write ?? false
  }

  /** Continues with the token of this tab, if there is one. */
  async resume(): Promise<Problem | undefined> {
    const token = this.storage?.getItem(TOKEN)
    return token ? this.logIn(token) : undefined
  }

  /** Returns why this is not possible. */
  async logIn(token: string): Promise<Problem | undefined> {
    const problem = await this.enter(() => Promise.resolve(token))
    if (problem) {
      if (problem.error !== 'offline') this.storage?.removeItem(TOKEN)
      return problem
    }
    try {
      this.storage?.setItem(TOKEN, token)
    } catch {
      // it is full or forbidden: a reload asks again
    }
    return undefined
  }

  /** As `logIn`, with the login of an operator in this browser, whose token may change at any time. */
  async enter(bearer: () => Promise<string>): Promise<Problem | undefined> {
    const answer = await new AdminApi(bearer).get<Me>('/me')
    if (!answer.ok) return answer.problem
    this.bearer = bearer
    this.ended = ''
    this.me = answer.value
    return undefined
  }

  logOut(ended = ''): void {
    this.storage?.removeItem(TOKEN)
    this.bearer = () => Promise.resolve('')
    this.ended = ended
    this.me = undefined
  }

  async get<T>(path: string, query?: Record<string, string | number>): Promise<Answer<T>> {
    return this.checked(await this.api.get<T>(path, query))
  }

  async send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer<T>> {
    return this.checked(await this.api.send<T>(method, path, body))
  }

  private checked<T>(answer: Answer<T>): Answer<T> {
    if (!answer.ok && answer.problem.error === 'not-authorized' && this.me) this.logOut(t('login.ended'))
    return answer
  }
}

function tabStorage(): TabStorage | undefined {
  try {
    return globalThis.sessionStorage
  } catch {
    return undefined // the browser's settings forbid it
  }
}

export const desk = new Desk(tabStorage())
