/** The words of the command line: each is found alone, and all of them in the help. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addCommands, COMMANDS } from '../../src/commands/index.ts';

const added = async (word: string | undefined): Promise<string[]> => {
  const program = new Command('reelay');
  await addCommands(program, word);
  return program.commands.map((command) => command.name());
};

describe('commands', () => {
  it.each([...COMMANDS.keys()])('%s is loaded alone when it is asked for', async (word) => {
    expect(await added(word)).toEqual([word]);
  });

  it.each(['--help', 'help', 'spedn', undefined])('are all there after %s', async (word) => {
    expect(await added(word)).toEqual([...COMMANDS.keys()]);
  });
});
