/** Owns one WebSocket at a time (RFC 7395), and ignores events of earlier ones. */
import type { OutgoingXml } from './xml'

const OPEN = 1

export interface SocketEvents {
  /** If this rejects, the socket is closed. */
  opened(): Promise<void>
  received(data: string): void
  /** The network or the server has closed the socket. */
  lost(): void
}

export class Socket {
  private socket: WebSocket | undefined

  constructor(
    private readonly make: () => WebSocket,
    private readonly events: SocketEvents
  ) {}

  /** Identifies the current socket; undefined: there is none. */
  get current(): object | undefined {
    return this.socket
  }

  /** Throws if the browser refuses to create a socket. */
  open(): void {
    const socket = this.make()
    this.socket = socket
    const lost = () => {
      if (socket === this.socket) this.events.lost()
    }
    socket.onopen = () => {
      this.events.opened().catch(lost)
    }
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.events.received(String(data))
    }
    socket.onclose = lost
    socket.onerror = lost
  }

  /** Does nothing if the socket is not open. */
  write({ xml }: OutgoingXml): void {
    if (this.socket?.readyState === OPEN) this.socket.send(xml)
  }

  close(): void {
    const { socket } = this
    this.socket = undefined
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
    socket.close()
  }
}
