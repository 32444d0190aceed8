case 'exec':
  // Don't trust user input - validate and sanitize
  const command = data.command;
  if (!isValidCommand(command)) {
    return { error: 'Invalid command' };
  }
  // Execute safely
  break;
