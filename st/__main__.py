"""`python -m st` is the command sentinel-tunnel."""
from st.cli.main import main

if __name__ == "__main__":
    main()
