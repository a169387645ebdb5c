"""Image annotation by exploiting image metadata (Johnson, Ballan, Fei-Fei, ICCV 2015)."""
