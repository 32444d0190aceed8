// Classes and functions of the platform that are not here, and say so by name.
export const absent = {};
