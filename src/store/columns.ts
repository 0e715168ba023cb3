/** The column types that tables share. */
import { customType, integer } from 'drizzle-orm/sqlite-core';
import { type Micros, micros } from '../ground/money.ts';

/** Money: whole micro-dollars in an integer column. The driver hands numbers out, exact up to eight billion dollars. */
export const money = customType<{ data: Micros; driverData: bigint | number }>({
  dataType: () => 'integer',
  toDriver: (amount) => BigInt(amount),
  fromDriver: (stored) => micros(BigInt(stored)),
});

/** Prepaid units: whole billionths in an integer column, exact up to nine million units. */
export const billionths = customType<{ data: bigint; driverData: bigint | number }>({
  dataType: () => 'integer',
  toDriver: (units) => units,
  fromDriver: (stored) => BigInt(stored),
});

/** Yes or no, as 1 or 0. */
export const flag = (name: string) => integer(name, { mode: 'boolean' });
