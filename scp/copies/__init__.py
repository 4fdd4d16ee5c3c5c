"""What a receiver gets of an instance: corrected, converted, de-identified, exported."""
