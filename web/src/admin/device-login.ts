/** The login of the chat app in this browser: whoever it belongs to may be an operator. */
import { recall } from '../local/browser-storage'
import type { Credential } from '../local/types'
import { bearerOf } from '../start/api'
import { AdminApi, type Me } from './api'

export interface DeviceLogin {
  /** The address of the operator. */
  name: string
  bearer: () => Promise<string>
}

/** Undefined: nobody is logged in to the chat app here, or they are no operator. */
export async function deviceLogin(): Promise<DeviceLogin | undefined> {
  if (recall('kith.address') === null) return undefined
  // the storage of the chat app is only loaded where there is a login
  const { kept } = await import('../start/account')
  const found = await kept()
  if (!found?.credential) return undefined
  const bearer = async (): Promise<string> => {
    // the chat app may have renewed its token
    const credential = await found.db.fact<Credential>('credential')
    return credential ? bearerOf(credential) : ''
  }
  const answer = await new AdminApi(bearer).get<Me>('/me')
  return answer.ok ? { name: answer.value.name, bearer } : undefined
}
