await sandbox.unexposePort(8000);
