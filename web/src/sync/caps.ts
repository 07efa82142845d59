/** Entity capabilities (XEP-0115), sent with presence. They tell the server which events this app wants. */
import { base64 } from '@scure/base'
import { NS } from '../xmpp/ns'
import { attribute, el, type OutgoingXml, type Xml } from '../xmpp/xml'
import { DEVICE_LIST } from './keys'
import { PROFILE_NODES } from './profile'
import { SETTINGS_NODES } from './settings'

const NODE = 'https://kith.invalid/web'
const FEATURES = [
  ...[NS.caps, NS.disco, NS.ping, NS.receipts, NS.markers, NS.states, NS.correct, NS.retract, NS.reactions],
  ...[NS.jingle, NS.jingleMessage, NS.rtp, NS.rtpAudio, NS.rtpVideo, NS.iceUdp, NS.dtls, NS.dtlsVerified],
  ...[NS.rtpFeedback, NS.rtpExtensions, NS.rtpSources, NS.grouping],
  ...[NS.reply, NS.sid, NS.ephemeral, NS.encryption, NS.styling],
  ...[DEVICE_LIST, ...PROFILE_NODES, ...SETTINGS_NODES].map((node) => `${node}+notify`)
].sort()

/** The user's own presence. */
export async function available(away: boolean): Promise<OutgoingXml> {
  const caps = el('c', { xmlns: NS.caps, hash: 'sha-1', node: NODE, ver: await verification() })
  return el('presence', { xmlns: NS.client }, away && el('show', {}, 'away'), caps)
}

/** The presence that is sent when the page is closed. */
export function unavailable(): OutgoingXml {
  return el('presence', { xmlns: NS.client, type: 'unavailable' })
}

/** Answers a disco#info request (XEP-0030). */
export function info(query: Xml): OutgoingXml {
  return el(
    'query',
    { xmlns: NS.disco, node: attribute(query, 'node') || undefined },
    el('identity', { category: 'client', type: 'web', name: 'Kith' }),
    ...FEATURES.map((feature) => el('feature', { var: feature }))
  )
}

/** Computes the verification string (XEP-0115 §5.1). */
async function verification(): Promise<string> {
  const text = `client/web//Kith<${FEATURES.join('<')}<`
  return base64.encode(new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))))
}
