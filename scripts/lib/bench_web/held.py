"""What each server holds."""

from dataclasses import dataclass, replace
from pathlib import Path

from lib.bench_clients import store
from lib.bench_images import CT, SMALL, STUDIES, Recipe
from lib.bench_rounds import say
from lib.bench_servers import Server


@dataclass(frozen=True)
class Held:
    """Studies of one image, a study of 500 CT, one of 100, and one of 3,000 small instances.

    `folder` is where they are made.
    """

    folder: Path
    studies: Recipe
    ct: Recipe
    few_ct: Recipe
    many: Recipe

    @classmethod
    def of(cls, folder: Path, scale: float) -> "Held":
        """So many times the usual number of instances."""
        ct = replace(CT, is_body=True)
        recipes = STUDIES, ct, replace(ct, images=100), replace(SMALL, images=3000)
        return cls(folder, *(recipe.scaled(scale) for recipe in recipes))

    def patient_id(self, number: int) -> str:
        """The Patient ID of one of the studies of one image."""
        return f"{self.studies.kind}{number % self.studies.count:05}"

    def files(self, recipe: Recipe) -> list[Path]:
        """The instances of the first study of a recipe."""
        return sorted(recipe.made(self.folder)[0][0].iterdir())

    def store(self, server: Server) -> None:
        """Have a server hold all of it. Raises ClientError."""
        for recipe in (self.studies, self.ct, self.few_ct, self.many):
            parts = recipe.made(self.folder)
            # One association for all: storescu looks through the folders of the studies.
            seconds = store(server, [(parts[0][0].parent, recipe.count)])
            say(f"  {server.name}: holds {recipe.count:,} instances, stored in {seconds:.1f} s")
