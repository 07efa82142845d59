/** What libsignal may access of the keys in one step. Trust and identities are decided elsewhere: see `devices.ts`. */
import type { StorageType } from '@privacyresearch/libsignal-protocol-typescript/lib/types'
import type { KeyPair, Session } from './sessions'

export interface Self {
  device: number
  identity: KeyPair
}

export class SignalStorage implements StorageType {
  private record: string | undefined

  constructor(
    private readonly self: Self,
    sessions: Record<string, Session> = {},
    private readonly prekey?: KeyPair,
    private readonly signed?: KeyPair
  ) {
    if (Object.keys(sessions).length > 0) this.record = JSON.stringify({ version: 'v1', sessions })
  }

  sessions(): Record<string, Session> {
    if (this.record === undefined) return {}
    return (JSON.parse(this.record) as { sessions: Record<string, Session> }).sessions
  }

  getIdentityKeyPair = (): Promise<KeyPair> => Promise.resolve(this.self.identity)
  getLocalRegistrationId = (): Promise<number> => Promise.resolve(this.self.device)
  isTrustedIdentity = (): Promise<boolean> => Promise.resolve(true)
  saveIdentity = (): Promise<boolean> => Promise.resolve(true)
  loadPreKey = (): Promise<KeyPair | undefined> => Promise.resolve(this.prekey)
  loadSignedPreKey = (): Promise<KeyPair | undefined> => Promise.resolve(this.signed)
  loadSession = (): Promise<string | undefined> => Promise.resolve(this.record)
  storeSession = (_: string, record: string): Promise<void> => {
    this.record = record
    return Promise.resolve()
  }
  storePreKey = (): Promise<void> => Promise.resolve()
  removePreKey = (): Promise<void> => Promise.resolve()
  storeSignedPreKey = (): Promise<void> => Promise.resolve()
  removeSignedPreKey = (): Promise<void> => Promise.resolve()
}
