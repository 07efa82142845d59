/** The WebSocket of a device to the server in memory. */
import { NS } from '../../src/xmpp/ns'
import { attribute, parse } from '../../src/xmpp/xml'
import type { Session, World } from './world'

export class Socket {
  readyState = 0
  session: Session | undefined
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  private readonly queue: string[] = []
  private flowing = false

  constructor(
    private readonly world: World,
    readonly plug: { in: boolean }
  ) {
    setTimeout(() => {
      if (this.readyState !== 0) return
      if (!plug.in) {
        this.cut()
        return
      }
      this.readyState = 1
      world.sockets.add(this)
      this.onopen?.()
    })
  }

  /** To the device, a turn of the loop later. */
  give(frame: string): void {
    this.queue.push(frame)
    if (this.flowing) return
    this.flowing = true
    setTimeout(() => {
      this.flowing = false
      for (const one of this.queue.splice(0)) if (this.readyState === 1) this.onmessage?.({ data: one })
    })
  }

  send(data: string): void {
    const element = parse(data)
    const name = element.name
    const { session, world } = this
    if (name === 'open') {
      this.give(`<open xmlns='${NS.framing}' version='1.0'/>`)
      this.give(
        `<stream:features xmlns:stream='${NS.streams}'><authentication xmlns='${NS.sasl2}'><inline>` +
          `<fast xmlns='${NS.fast}'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication></stream:features>`
      )
    } else if (name === 'authenticate') void world.login(this, element)
    else if (!session || session.socket !== this) return
    else if (name === 'r') this.give(`<a xmlns='${NS.sm}' h='${session.received}'/>`)
    else if (name === 'a') world.acknowledged(session, Number(attribute(element, 'h')))
    else if (name === 'close') {
      world.end(session)
      this.cut()
    } else if (['message', 'iq', 'presence'].includes(name)) {
      session.received += 1
      if (name === 'presence') world.presences.push(data)
      if (name === 'message') world.take(session.jid, element)
      if (name === 'presence' && attribute(element, 'type') === '') world.appear(session)
      if (name === 'iq' && ['result', 'error'].includes(attribute(element, 'type'))) world.answered(element)
      if (name === 'iq' && attribute(element, 'to').includes('/')) world.between(session, element)
      else if (name === 'iq' && ['get', 'set'].includes(attribute(element, 'type')))
        world.request(session, element)
    }
  }

  /** The connection is lost. */
  cut(): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.world.sockets.delete(this)
    if (this.session?.socket === this) this.session.socket = undefined
    setTimeout(() => this.onclose?.())
  }

  close(): void {
    this.cut()
  }
}
