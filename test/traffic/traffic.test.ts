/**
 * The queue is as cheap as a plan that knew everything: 300 orders of three tenants, one of which floods, through the
 * real worker, queue, ledger and adapters to five emulators on a virtual clock, beside an offline plan of the same trace
 * and a bound that no plan undercuts. `npx tsx bench/traffic.ts` prints the figures, and what weakens them.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { idleTermsOf, type Measured, measure } from './figures.ts';
import { idleWhileWaiting } from './idle.ts';
import { LIMITS, PROVIDER_IDS } from './trace.ts';

/** The first is the default. */
const VALUES_OF_TIME = [1.8, 36] as const;
/** A waiting job is scored again at each freed slot, and every five seconds where none is. */
const LOOK_SECONDS = 5;

describe.each(VALUES_OF_TIME)('a flood at $%f an hour', (valueOfTime) => {
  let measured: Measured;
  beforeAll(async () => {
    measured = await measure({ valueOfTime });
  }, 60_000);

  it('ends with every clip made, in one attempt each, and no request that a provider would refuse', () => {
    const { ran, faults } = measured;
    expect(faults).toEqual([]);
    expect(ran.length).toBe(300);
    expect(ran.filter(({ job }) => job.state !== 'completed')).toEqual([]);
    expect(ran.filter(({ attempts }) => attempts.length !== 1)).toEqual([]);
  });

  it('never has more running at a provider than it allows, and fills every one of them', () => {
    // By the emulators' own count, in which a task runs from its submission to its end.
    expect(measured.mostAtOnce).toEqual(Object.fromEntries(PROVIDER_IDS.map((id) => [id, LIMITS[id]])));
  });

  it('makes the small tenants wait at most twice as long as they would alone', () => {
    for (const { tenant, flooded, alone } of measured.medians) {
      expect(alone, tenant).toBeGreaterThan(0);
      expect(flooded, tenant).toBeLessThanOrEqual(2 * alone);
    }
  });

  it('lets no allowed provider stand idle while a job waits longer than that saves', () => {
    const beyond = measured.idle.filter(({ idled, worth }) => idled > worth + LOOK_SECONDS);
    expect(beyond).toEqual([]);
    // The checker sees: with one slot more than there was, somebody would have been idle far too long.
    const terms = idleTermsOf({ valueOfTime });
    const wider = { ...terms, slotsOf: (account: string) => terms.slotsOf(account) + 1 };
    const seen = idleWhileWaiting(measured.ran, wider).filter(({ idled, worth }) => idled > worth + LOOK_SECONDS);
    expect(seen.length).toBeGreaterThan(100);
  });

  it('seldom waits for what, as it turns out, was not worth it', () => {
    // Nobody can know who comes later and is served before: what was regretted is little all the same.
    const regretted = measured.idle.map(({ waited, worthInTheEnd }) => waited - worthInTheEnd - LOOK_SECONDS);
    const jobs = new Set(measured.idle.filter((_, index) => (regretted[index] ?? 0) > 0).map(({ jobId }) => jobId));
    expect(jobs.size).toBeLessThanOrEqual(30);
    const seconds = regretted.reduce((sum, each) => sum + Math.max(0, each), 0);
    expect((seconds * valueOfTime) / 3_600).toBeLessThan(measured.offline.usd * 0.01);
  });

  it('comes within 5 % of an offline plan of the same trace, in price and in waiting at its value', () => {
    const { router, offline, bound } = measured;
    expect(router.usd).toBeLessThanOrEqual(offline.usd * 1.05);
    // Counted only until there is a slot, which is all that a queue decides.
    const untilSlot = ({ priceUsd, slotSeconds }: typeof router): number =>
      priceUsd + (slotSeconds * valueOfTime) / 3_600;
    expect(untilSlot(router)).toBeLessThanOrEqual(untilSlot(offline) * 1.05);
    // The plan is a good one: nobody could undercut it by much more than this. Nor is anything below the bound.
    expect(offline.usd).toBeLessThanOrEqual(bound * 1.03);
    expect(bound).toBeLessThanOrEqual(Math.min(offline.usd, router.usd));
  });
});
