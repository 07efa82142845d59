/** fast-check, with the number of runs that `RUNS` says. */
import * as fc from 'fast-check'

fc.configureGlobal({ numRuns: Number(process.env['RUNS'] ?? 100) })

export { fc }
