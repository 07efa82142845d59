/** Candidates of ICE: parsing, writing, and which of others' are tried (XEP-0176, RFC 8839). */
import { type Candidate, Unacceptable } from './description'

const FOUNDATION = /^[A-Za-z0-9+/]{1,32}$/
const TCP_TYPES = ['active', 'passive', 'so']
const TYPES = ['host', 'srflx', 'prflx', 'relay'] as const
const MDNS = /^[0-9a-f-]{1,63}\.local$/i
const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const IPV6 = /^[0-9a-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?$/i

/** A candidate from its fields as text. Throws Unacceptable. */
export function candidateOf(fields: {
  foundation: string
  component: string
  protocol: string
  priority: string
  ip: string
  port: string
  type: string
  relatedIp: string
  relatedPort: string
  tcpType: string
}): Candidate {
  const { foundation, ip, relatedIp, tcpType } = fields
  const protocol = fields.protocol.toLowerCase()
  const type = TYPES.find((one) => one === fields.type)
  const component = whole(fields.component, 2)
  const valid =
    type &&
    FOUNDATION.test(foundation) &&
    (protocol === 'udp' || protocol === 'tcp') &&
    component > 0 &&
    (isAddress(ip) || MDNS.test(ip)) &&
    (relatedIp === '' || isAddress(relatedIp) || MDNS.test(relatedIp)) &&
    (tcpType === '' || TCP_TYPES.includes(tcpType))
  if (!valid) throw new Unacceptable('candidate')
  return {
    ...{ foundation, component, protocol, type, ip },
    priority: whole(fields.priority, 2 ** 32 - 1),
    port: whole(fields.port, 65_535),
    ...(relatedIp && { relatedIp }),
    ...(fields.relatedPort && { relatedPort: whole(fields.relatedPort, 65_535) }),
    ...(tcpType && { tcpType })
  }
}

/** The value of `a=candidate`, as browsers take it. */
export function candidateLine(one: Candidate): string {
  const { foundation, component, protocol, priority, ip, port, type, relatedIp, relatedPort, tcpType } = one
  const related = relatedIp === undefined ? '' : ` raddr ${relatedIp} rport ${String(relatedPort ?? 0)}`
  const tcp = tcpType === undefined ? '' : ` tcptype ${tcpType}`
  return (
    `candidate:${foundation} ${String(component)} ${protocol} ${String(priority)} ${ip} ${String(port)} ` +
    `typ ${type}${related}${tcp}`
  )
}

/** A candidate of this browser; undefined: it is one that is not told (the end, or a form that is not known). */
export function candidateFrom(line: string): Candidate | undefined {
  const words = line.replace(/^(?:a=)?candidate:/, '').split(' ')
  const [foundation = '', component = '', protocol = '', priority = '', ip = '', port = ''] = words
  const named = (name: string): string => {
    const at = words.indexOf(name, 6)
    return at < 0 ? '' : (words[at + 1] ?? '')
  }
  try {
    return candidateOf({
      ...{ foundation, component, protocol, priority, ip, port },
      type: named('typ'),
      relatedIp: named('raddr'),
      relatedPort: named('rport'),
      tcpType: named('tcptype')
    })
  } catch {
    return undefined
  }
}

/**
 * Whether this browser may send packets to a candidate of somebody else. Addresses of the own machine, of a single link
 * and of many receivers have no place in a call: with them, a caller could have this device talk to services that only
 * it reaches. Addresses of private networks are tried, since people at home call each other. `local`: the page itself
 * is from this machine, as in development.
 */
export function mayTry({ ip, port, protocol, tcpType }: Candidate, local: boolean): boolean {
  if (protocol === 'tcp' && tcpType !== 'active' && port < 1024) return false
  if (port === 0) return false
  if (MDNS.test(ip)) return true
  const mapped = /^(?:0*:){2,7}(?:ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1]
  const four = IPV4.exec(mapped ?? ip)
  if (four) {
    const [first = 0, second = 0] = [Number(four[1]), Number(four[2])]
    if (first === 127) return local
    return first !== 0 && first < 224 && !(first === 169 && second === 254)
  }
  const six = ip.toLowerCase()
  if (/^[0:]*:0*1$/.test(six)) return local
  // the unspecified address, other forms of IPv4 addresses, translations, a single link, many receivers
  return (
    !/^[0:]+$/.test(six) && !/^(?:0*:){3,7}/.test(six) && !/^(?:::|0*:|64:ff9b:|fe[89ab]|ff|2002:)/.test(six)
  )
}

function isAddress(text: string): boolean {
  const four = IPV4.exec(text)
  if (four) return four.slice(1).every((part) => Number(part) <= 255)
  return IPV6.test(text) && text.includes(':') && (text.match(/::/g)?.length ?? 0) <= 1
}

function whole(text: string, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (!(value <= most)) throw new Unacceptable('candidate')
  return value
}
