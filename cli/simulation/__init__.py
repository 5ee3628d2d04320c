"""`starter.py simulate`: the real workflows, activities, gateway and database on one virtual clock."""
