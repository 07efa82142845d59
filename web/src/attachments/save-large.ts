/** Saves a large file while it comes, piece by piece: neither the page nor the browser's storage holds all of it. */
import { cleanFileName } from '../local/file-names'
import { SEGMENT } from '../media/segments'
import { type Source, streamOf } from '../media/source'
import { saveFile } from './save'

interface Picker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>
}

/** Where files are put that the browser can't write to the disk directly. They go at the next start of a page. */
const FOLDER = 'saved'

/**
 * Where the browser has no dialog for it, the file is written to the app's own part of the disk first, and given to the
 * browser from there. It stands under its name when all of it was authenticated. Rejects as reading does.
 */
export async function saveLarge(
  source: Source,
  name: string,
  progress: (part: number) => void = () => undefined,
  signal?: AbortSignal
): Promise<void> {
  const clean = cleanFileName(name) || 'file'
  const { showSaveFilePicker: pick } = globalThis as Picker
  let file: FileSystemFileHandle
  if (pick) {
    try {
      file = await pick.call(globalThis, { suggestedName: clean })
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return
      throw error
    }
    await written(source, file, progress, signal)
    return
  }
  const root = await navigator.storage.getDirectory()
  await root.removeEntry(FOLDER, { recursive: true }).catch(() => undefined)
  const folder = await root.getDirectoryHandle(FOLDER, { create: true })
  file = await folder.getFileHandle(crypto.randomUUID(), { create: true })
  await written(source, file, progress, signal)
  saveFile(await file.getFile(), clean)
}

/** What is written replaces the file only when it is closed; if anything is wrong, nothing remains. */
async function written(
  source: Source,
  file: FileSystemFileHandle,
  progress: (part: number) => void,
  signal: AbortSignal | undefined
): Promise<void> {
  const watched: Source = {
    size: source.size,
    async read(from, to) {
      const data = await source.read(from, to, signal)
      progress(to / source.size)
      return data
    }
  }
  const target = await file.createWritable()
  await streamOf(watched, SEGMENT).pipeTo(target, signal && { signal })
}
