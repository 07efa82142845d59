/** Microphones, cameras and screens. */

/** Why there is none. */
export type DeviceProblem = 'refused' | 'missing' | 'busy'

export class NoDevice extends Error {
  constructor(readonly problem: DeviceProblem) {
    super(problem)
  }
}

const VOICE = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true }
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } }

/** `id`: of the device; empty: the browser's choice. Rejects with NoDevice. */
export async function openMicrophone(id: string): Promise<MediaStreamTrack> {
  return first(() => navigator.mediaDevices.getUserMedia({ audio: { ...VOICE, ...chosen(id) } }))
}

/** `facing`: on phones, the camera at the front or at the back. */
export async function openCamera(id: string, facing: 'user' | 'environment'): Promise<MediaStreamTrack> {
  const which = id ? chosen(id) : { facingMode: facing }
  return first(() => navigator.mediaDevices.getUserMedia({ video: { ...PICTURE, ...which } }))
}

export async function openScreen(): Promise<MediaStreamTrack> {
  return first(() =>
    navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false })
  )
}

export function sharesScreens(): boolean {
  return 'mediaDevices' in navigator && 'getDisplayMedia' in navigator.mediaDevices
}

export async function devices(kind: MediaDeviceKind): Promise<MediaDeviceInfo[]> {
  const all = await navigator.mediaDevices.enumerateDevices().catch(() => [])
  return all.filter((one) => one.kind === kind && one.deviceId !== '')
}

/** Whether the browser itself can blur what is behind somebody. */
export function blurs(track: MediaStreamTrack | undefined): boolean {
  const all = (track?.getCapabilities() ?? {}) as { backgroundBlur?: boolean[] }
  return all.backgroundBlur?.includes(true) === true && all.backgroundBlur.includes(false)
}

export async function blur(track: MediaStreamTrack, on: boolean): Promise<void> {
  await track.applyConstraints({ ...track.getConstraints(), backgroundBlur: on } as MediaTrackConstraints)
}

function chosen(id: string): MediaTrackConstraints {
  return id ? { deviceId: { ideal: id } } : {}
}

async function first(open: () => Promise<MediaStream>): Promise<MediaStreamTrack> {
  if (!('mediaDevices' in navigator)) throw new NoDevice('missing')
  try {
    const track = (await open()).getTracks()[0]
    if (!track) throw new NoDevice('missing')
    return track
  } catch (error) {
    if (error instanceof NoDevice) throw error
    const name = error instanceof Error ? error.name : ''
    throw new NoDevice(
      name === 'NotAllowedError' || name === 'SecurityError'
        ? 'refused'
        : name === 'NotReadableError'
          ? 'busy'
          : 'missing'
    )
  }
}
