/** The relays for a call. Their credentials are valid for minutes, so they are asked for again when they are old. */
import { isAccepted } from '../local/accepted'
import type { Address } from '../local/types'
import type { Api } from '../start/api'
import { type App, RELAY_ONLY } from '../sync/app'

/** Seconds before they end in which they are not used for something new. */
const MARGIN = 60
/** They are asked for together with the call: an answer that takes longer is not waited for. */
const LATE_MS = 4000

export function relays(app: App, api: Api): (account: Address) => Promise<RTCConfiguration> {
  let known: { servers: RTCIceServer[]; until: number } | undefined
  let asking: Promise<RTCIceServer[]> | undefined
  const ask = (): Promise<RTCIceServer[]> => {
    if (known && performance.now() < known.until) return Promise.resolve(known.servers)
    asking ??= fresh().finally(() => (asking = undefined))
    return asking
  }
  const fresh = async (): Promise<RTCIceServer[]> => {
    const answer = await api.relays()
    if (!answer.ok) return known?.servers ?? []
    const { ice_servers: all, expires_in: seconds } = answer.value
    const servers = all.map(({ urls, username, credential }) =>
      username ? { urls, username, credential } : { urls }
    )
    const valid = seconds ? Math.max(0, seconds - MARGIN) : 600
    known = { servers, until: performance.now() + valid * 1000 }
    return servers
  }
  return async (account) => {
    const late = new Promise<RTCIceServer[]>((resolve) =>
      setTimeout(() => resolve(known?.servers ?? []), LATE_MS)
    )
    const [iceServers, only, accepted] = await Promise.all([
      Promise.race([ask(), late]),
      app.db.fact<boolean>(RELAY_ONLY),
      isAccepted(app.db, app.me, account)
    ])
    // a stranger learns no address either, as far as there is a relay
    const relayed = iceServers.some(({ urls }) => [urls].flat().some((url) => url.startsWith('turn')))
    const iceTransportPolicy = only === true || (!accepted && relayed) ? 'relay' : 'all'
    return { iceServers, iceTransportPolicy }
  }
}
