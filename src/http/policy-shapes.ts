import { PROVIDERS } from '../../providers/index.ts';
import { tenantPolicySchema } from '../routing/policy.ts';

const slugs = PROVIDERS.map(({ id }) => id);

/**
 * A policy as an operator gives it: a provider that does not exist is a mistake, for a rule that names nobody leaves
 * nobody out. What is stored is read without this, so that a provider may go away.
 */
export const givenPolicySchema = tenantPolicySchema.superRefine((policy, context) => {
  for (const list of ['only', 'ignore'] as const) {
    const strange = policy[list]?.findIndex((name) => !slugs.includes(name)) ?? -1;
    if (strange < 0) continue;
    context.addIssue({
      code: 'custom',
      path: [list, strange],
      message: `there is no such provider; there are ${slugs.join(', ')}`,
    });
  }
});
