// What a Worker's top level cannot do.

// Clocks stand at 0 while a Worker is built, and only then.
export const isBuilding = () => Date.now() === 0;

// notAtTopLevel refuses what needs the edge, which is not there while a Worker is built.
export const notAtTopLevel = (what) => {
  if (isBuilding()) throw new Error(`${what} is not possible at the top level of a Worker: do it in fetch() or in what that calls`);
};
