#!/usr/bin/env python3
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == '__main__':
    # The package is beside the example, unless it is installed.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')
    execute_from_command_line(sys.argv)
