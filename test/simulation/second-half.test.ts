/** Seeds 1,081 to 2,000 of the simulation: see simulation.test.ts. */
import { it } from 'vitest';
import { expectUnbroken } from './seeds.ts';

it('seeds 1081 to 2000 break nothing', { timeout: 600_000 }, () => expectUnbroken(1_081, 920));
